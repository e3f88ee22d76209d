"""The jobs list and the trail offer colleagues by name, so that one can look at what somebody else does."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from app.accounts.members import choices
from tests.accounts.people import API, me, membership
from tests.conftest import House

LISTS = (("/jobs", "owner"), ("/events", "actor"))


def offered(client: TestClient, path: str, name: str) -> list[tuple[str, bool]]:
    """The texts of the select's options, and whether each is the chosen one."""
    (select,) = re.findall(rf'<select[^>]*name="{name}".*?</select>', client.get(path).text, re.DOTALL)
    options = re.findall(r"<option([^>]*)>(.*?)</option>", select, re.DOTALL)
    return [(text, "selected" in attributes) for attributes, text in options]


@pytest.mark.database
@pytest.mark.parametrize(("path", "name"), LISTS)
def test_colleagues_are_offered_by_name(house: House, admin: TestClient, path: str, name: str) -> None:
    carol, bob = house.person("carol@lab.test"), house.person("bob@lab.test")
    choice = [("Anyone", True), ("Me", False), ("Bob", False), ("Carol", False)]
    assert offered(admin, path, name) == choice
    chosen = offered(admin, f"{path}?{name}={carol.id}", name)
    assert [text for text, is_chosen in chosen if is_chosen] == ["Carol"] and len(chosen) == 4
    own = offered(admin, f"{path}?{name}={me(admin)['id']}", name)
    assert [text for text, is_chosen in own if is_chosen] == ["Me"]
    assert ("Carol", False) in offered(house.sign_in(bob), path, name)


def test_a_colleagues_jobs_alone_are_shown(house: House, admin: TestClient) -> None:
    bob = house.person("bob@lab.test")
    house.key("compute:write", user=bob).post(f"{API}/jobs", json={"name": "of-bob", "run": "true"})
    admin.post(f"{API}/jobs", json={"name": "of-ada", "run": "true"})
    page = admin.get(f"/jobs?owner={bob.id}").text
    assert "of-bob" in page and "of-ada" not in page


def test_namesakes_are_told_apart(house: House, admin: TestClient) -> None:
    house.person("bob@lab.test")
    house.person("bob@other.test")
    names = [text for text, _ in offered(admin, "/jobs", "owner")]
    assert names == ["Anyone", "Me", "Bob (bob@lab.test)", "Bob (bob@other.test)"]


def test_one_beyond_those_that_are_offered_is_named_once_chosen(house: House, admin: TestClient) -> None:
    people = [house.person(f"p{n:03}@lab.test") for n in range(choices.MOST + 5)]
    names = [text for text, _ in offered(admin, "/jobs", "owner")]
    assert len(names) == choices.MOST + 1  # of the MOST one is whoever asks
    assert "P104" not in names
    assert ("P104", True) in offered(admin, f"/jobs?owner={people[-1].id}", "owner")


def test_who_has_left_is_called_as_in_the_trail(house: House, admin: TestClient, member: TestClient) -> None:
    bob = house.person("bob@lab.test")
    assert admin.delete(f"{API}/members/{membership(member)}").status_code == 204
    chosen = offered(admin, f"/events?actor={bob.id}", "actor")
    assert chosen[-1] == ("Bob", True)
    assert offered(admin, f"/jobs?owner={bob.id}", "owner")[-1] == ("One person", True)


def test_nobody_of_another_organization_is_named(house: House, admin: TestClient) -> None:
    eve = house.person("eve@lab.test", organization=house.organization("Elsewhere"))
    assert offered(admin, f"/jobs?owner={eve.id}", "owner") == [
        ("Anyone", False), ("Me", False), ("One person", True),
    ]  # fmt: skip
