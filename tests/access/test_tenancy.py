"""Nobody reaches into another organization: every Action on a thing is 404 for its strangers, and no list shows it."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from app.main import ACTIONS
from app.web.action import Action, Mount, Role
from app.web.answer import API
from tests.access.matrix import MAKERS, Matrix
from tests.conftest import House

ON_THINGS = [a for a in ACTIONS if a.thing is not None]
LISTS = [a for a in ACTIONS if a.method == "GET" and "{" not in a.path and a.on_api and not a.public]


@pytest.fixture
def matrix(house: House) -> Matrix:
    return Matrix(house)


@pytest.fixture
def strangers(matrix: Matrix) -> list[TestClient]:
    """An admin of another organization, in a browser and as a program with every scope."""
    mallory = matrix.house.person("mallory@else.test", Role.ADMIN, matrix.elsewhere)
    key = matrix.house.key("admin", user=mallory, organization=matrix.elsewhere)
    return [matrix.house.sign_in(mallory), key]


def ask(client: TestClient, action: Action, thing_id: str, *, html: bool) -> int:
    path = re.sub(r"{\w+}", thing_id, action.path)
    if not html:
        return client.request(action.method, API + path, json={} if action.body else None).status_code
    data = {"_method": action.method} if action.writes else None
    return client.request("POST" if action.writes else "GET", path, data=data).status_code


@pytest.mark.parametrize("action", ON_THINGS, ids=lambda a: f"{a.method} {a.path}")
def test_a_thing_of_another_organization_is_not_there(
    matrix: Matrix, strangers: list[TestClient], action: Action
) -> None:
    assert action.thing is not None
    thing_id = MAKERS[action.thing](matrix, matrix.bob)
    browser, program = strangers
    if action.on_api:
        assert [ask(c, action, thing_id, html=False) for c in strangers] == [404, 404]
    if action.on_html and action.mount is not Mount.API_ONLY_PATH:
        assert ask(browser, action, thing_id, html=True) == 404
        assert ask(program, action, thing_id, html=True) == 404


def test_no_list_shows_what_is_another_organizations(matrix: Matrix, strangers: list[TestClient]) -> None:
    things = {make(matrix, matrix.bob) for make in MAKERS.values()}
    own = matrix.house.key("admin")
    shown: set[str] = set()
    for action in LISTS:
        if "event-stream" in (action.media or ""):
            continue
        shown |= {t for t in things if t in own.get(API + action.path).text}
        for client in strangers:
            answer = client.get(API + action.path)
            assert answer.status_code == 200, action.path
            assert not [t for t in things if t in answer.text], action.path
    assert shown == things


@pytest.mark.parametrize("field", ["organization_id", "role", "scopes", "owner_id", "id", "user_id"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/jobs", {"run": "true"}),
        ("POST", "/teams", {"name": "x"}),
        ("POST", "/organizations", {"name": "x"}),
        ("POST", "/invitations", {"email": "x@y.test"}),
        ("POST", "/api-keys", {"name": "x"}),
        ("PATCH", "/settings/profile", {"name": "x"}),
        ("PATCH", "/settings/organization", {"name": "x"}),
    ],
)
def test_no_body_sets_what_is_not_its_to_set(
    admin: TestClient, method: str, path: str, body: dict[str, object], field: str
) -> None:
    if (path, field) in {("/invitations", "role"), ("/api-keys", "scopes")}:
        return
    answer = admin.request(method, API + path, json={**body, field: ["admin"] if field == "scopes" else "org_x"})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == field
