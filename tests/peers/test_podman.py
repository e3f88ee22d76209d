"""Podman runs here with a configuration of the tests' own."""

from __future__ import annotations

import pytest

from tests.peers.podman import Podman

pytestmark = [pytest.mark.podman, pytest.mark.xdist_group("podman")]


def test_a_small_image_runs(podman: Podman, busybox_image: str) -> None:
    assert podman("run", "--rm", busybox_image, "sh", "-c", "echo $((6 * 7))") == "42"


def test_its_images_are_nobody_elses(podman: Podman, busybox_image: str) -> None:
    assert podman.has(busybox_image)
    assert "/.cache/containers" in podman("info", "--format", "{{.Store.GraphRoot}}")
