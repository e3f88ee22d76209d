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


def test_a_smaller_one_is_taken(house: House) -> None:
    client: TestClient = house.key("admin")
    assert client.post("/api/v1/jobs", json={"run": "#" * 1_500}).status_code == 201
