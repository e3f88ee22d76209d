"""Letting a terminal in, and rotating a key, as a person does it in a browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.console import MARKS
from tests.console.lab import Lab
from tests.peers.browser import axe, layout_shift

pytestmark = MARKS
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def device(lab: Lab) -> dict[str, Any]:
    """A terminal that waits."""
    asked = {"client_id": "lattice", "host": "laptop"}
    found: dict[str, Any] = lab.server.client().post("/api/v1/auth/device", json=asked).json()
    return found


def token(lab: Lab, device: dict[str, Any]) -> dict[str, Any]:
    sent = {"grant_type": GRANT, "device_code": device["device_code"], "client_id": "lattice"}
    found: dict[str, Any] = lab.server.client().post("/api/v1/auth/device/token", data=sent).json()
    return found


@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_are_for_everybody(page: Page, device: dict[str, Any], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for address in ("/device", "/device?user_code=BBBB-BBBB", f"/device?user_code={device['user_code']}"):
        page.goto(address)
        assert axe(page) == []
        assert layout_shift(page) < 0.01
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_code_is_typed_and_approved(page: Page, lab: Lab, device: dict[str, Any]) -> None:
    page.goto("/device")
    page.get_by_label("Code").fill(device["user_code"].lower())
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("lattice on laptop")).to_be_visible()
    page.locator("input[value='storage:write']").uncheck()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Go back to the terminal")).to_be_visible()
    assert axe(page) == []
    assert token(lab, device)["scope"] == "compute:write"


def test_a_code_is_denied(page: Page, lab: Lab, device: dict[str, Any]) -> None:
    page.goto(f"/device?user_code={device['user_code']}")
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("The terminal gets no key")).to_be_visible()
    assert token(lab, device)["error"] == "access_denied"


def test_admin_puts_the_other_scopes_out(page: Page, device: dict[str, Any]) -> None:
    page.goto(f"/device?user_code={device['user_code']}")
    page.locator("input[value='admin']").check()
    expect(page.locator("input[value='compute:write']")).to_be_disabled()
    assert page.locator("input:checked").count() == 1


def test_a_key_is_rotated_with_an_overlap(page: Page, lab: Lab) -> None:
    page.goto(f"/api-keys/{lab.key()}")
    page.get_by_role("button", name="Rotate").click()
    page.get_by_label("The text of now ends").select_option("1h")
    assert axe(page) == []
    page.locator("#rotate-key button[type=submit]").click()
    expect(page.get_by_text("The former text works until")).to_be_visible()
    assert any(key["previous_works_until"] for key in lab.get("/api-keys")["items"])
