"""LATTICE_BODY_LIMIT holds for every body, a job's too."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from app.settings import Settings
from tests.conftest import House


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"lattice_body_limit": 2_000})


@pytest.mark.parametrize("path", ["/jobs", "/jobs/preview", "/api-keys"])
def test_a_larger_body_is_refused(house: House, path: str) -> None:
    answer = house.key("admin").post(f"/api/v1{path}", json={"run": "#" * 5_000})
    assert answer.status_code == 413
    assert answer.json()["detail"] == "The body is larger than 2,000 bytes."


def test_a_larger_form_leaves_the_page_as_it_is(house: House) -> None:
    """The form was not read, so that drawing it again would lose what was typed."""
    admin = house.admin()
    boosted = {"HX-Request": "true", "HX-Request-Type": "full"}
    answer = admin.post("/jobs", data={"task_yaml": "#" * 5_000}, headers=boosted)
    assert answer.status_code == 413 and answer.headers["HX-Retarget"] == "#toasts"
    assert "larger than 2,000 bytes" in answer.text and "<form" not in answer.text
    page = admin.post("/jobs", data={"task_yaml": "#" * 5_000})
    assert page.status_code == 413 and "larger than 2,000 bytes" in page.text and "<textarea" not in page.text


def test_a_smaller_one_is_taken(house: House) -> None:
    client: TestClient = house.key("admin")
    assert client.post("/api/v1/jobs", json={"run": "#" * 1_500}).status_code == 201
