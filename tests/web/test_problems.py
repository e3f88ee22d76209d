"""Whatever is asked wrongly is answered as a problem, in the face of the mount, and never as a crash."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.conftest import House

KEYS = "/api/v1/api-keys"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"", "application/json", 400),
        (b'{"name": "x"}', "text/plain", 415),
        (b'{"name": "x"}', "", 415),
        (b"name=x", "application/x-www-form-urlencoded", 415),
        (b"{}", "application/json", 422),
        (b'{"name": "x", "owner_id": "usr_1"}', "application/json", 422),
        (b'{"name": "a\\u0000b"}', "application/json", 422),
        (b'{"name": "\\ud800"}', "application/json", 422),
        (b'{"name": "\\ud800', "application/json", 400),
        (b'{"name": "' + b"x" * 101 + b'"}', "application/json", 422),
        (b'{"name": "x", "expires_in_days": 1e400}', "application/json", 400),
        (b'{"name": "x", "expires_in_days": 99999999999999999999999}', "application/json", 422),
        (b'{"name": "\xff"}', "application/json", 400),
        (b'{"name": "' + b"x" * (1 << 20) + b'"}', "application/json", 413),
        (b"[" * 100_000, "application/json", 400),
        (b'{"name":' + b"[" * 1_000 + b"]" * 1_000 + b"}", "application/json", 400),
        (b'{"name": "x", "name": "y"}', "application/json", 422),
        (b'{"name": "x", "scopes": [{"a": 1, "a": 2}]}', "application/json", 422),
    ],
    ids=lambda value: str(value)[:40],  # a test's name is put into the environment of what it starts
)
def test_bad_bodies(admin: TestClient, body: bytes, content_type: str, status: int) -> None:
    answer = admin.post(KEYS, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status and problem["detail"] and problem["title"]


def test_what_stands_twice_is_named(admin: TestClient) -> None:
    answer = admin.post(
        KEYS, content=b'{"name": "x", "scopes": [], "name": "x"}', headers={"Content-Type": "application/json"}
    )
    assert answer.json()["errors"] == [{"field": "name", "message": "This stands twice; keep one."}]
    assert admin.get(KEYS).json()["items"] == []


def test_a_form_that_is_too_large_says_so_whatever_its_method(admin: TestClient) -> None:
    key = admin.post(KEYS, json={"name": "x"}).json()["id"]
    form = {"_method": "DELETE", "name": "x" * (1 << 20)}
    assert admin.post(f"/api-keys/{key}", data=form).status_code == 413


def test_an_unknown_field_is_named(admin: TestClient) -> None:
    errors = admin.post(KEYS, json={"name": "x", "role": "admin"}).json()["errors"]
    assert errors == [{"field": "role", "message": "There is no such field."}]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "  "}, "Write something here."),
        ({"name": "x" * 101}, "Write at most 100 characters."),
        ({"name": 3}, "Give text."),
        ({"name": "x", "expires_in_days": 0}, "Give 1 or more."),
        ({"name": "x", "expires_in_days": "soon"}, "Give a whole number."),
        ({"name": "x", "expires_in_days": True}, "Give a number."),
        ({"name": "x", "scopes": "admin"}, "Give a list."),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_field_is_told_in_a_sentence(admin: TestClient, fields: dict[str, object], message: str) -> None:
    (error,) = admin.post(KEYS, json=fields).json()["errors"]
    assert error["message"] == message


def test_the_address_of_a_forms_answer_leads_to_the_form(admin: TestClient) -> None:
    rejected = admin.post("/settings/profile", data={"_method": "PATCH", "name": " "})
    assert rejected.status_code == 422 and rejected.headers["HX-Replace-Url"] == "/settings"
    answer = admin.get("/settings/profile")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings")


def test_a_method_that_is_not_there_names_those_that_are(admin: TestClient) -> None:
    answer = admin.put(KEYS)
    assert answer.status_code == 405 and answer.headers["Allow"] == "GET, POST, HEAD"


def test_an_address_that_is_not_there(admin: TestClient) -> None:
    assert admin.get("/api/v1/nothing").headers["Content-Type"] == "application/problem+json"
    page = admin.get("/nothing")
    assert page.status_code == 404 and "<html" in page.text


def test_slashes_are_not_redirected(admin: TestClient) -> None:
    assert admin.get(KEYS + "/").status_code == 404


@pytest.mark.parametrize("limit", ["0", "201", "x", "-1", "1e3"])
def test_a_wrong_limit_is_named(admin: TestClient, limit: str) -> None:
    answer = admin.get(KEYS, params={"limit": limit})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "limit"


@pytest.mark.parametrize("cursor", ["x", "WzFd", "bnVsbA", "W10", "%00", "8J+YgA"])
def test_a_wrong_cursor_is_400(admin: TestClient, cursor: str) -> None:
    assert admin.get(KEYS, params={"cursor": cursor}).status_code == 400


def test_an_unknown_filter_is_422(admin: TestClient) -> None:
    assert admin.get(KEYS, params={"stat": "x"}).status_code == 422


@pytest.mark.database
@pytest.mark.parametrize("id_", ["key_nothing", "x" * 500, "é", "%00", "..", "key_' OR 1=1 --"])
def test_an_id_that_is_not_one_is_404(admin: TestClient, id_: str) -> None:
    assert admin.get(f"{KEYS}/{id_}").status_code == 404


def test_paging_visits_each_once(admin: TestClient) -> None:
    made = [admin.post(KEYS, json={"name": f"k{i}"}).json()["id"] for i in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = admin.get(KEYS, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [k["id"] for k in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made[::-1]


def test_a_cursor_belongs_to_its_filters(admin: TestClient) -> None:
    for i in range(2):
        admin.post(KEYS, json={"name": f"k{i}"})
    cursor = admin.get(KEYS, params={"limit": 1}).json()["next"]
    assert admin.get(KEYS, params={"cursor": cursor, "owner": "all"}).status_code == 400


def test_a_crash_says_nothing_of_the_inside(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(house.app.state.house, "find", broken)
    answer = house.key().get("/api/v1/auth/me")
    assert answer.status_code == 500 and "secret inside" not in answer.text
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def test_a_crash_of_a_page_is_a_page(house: House, admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(house.app.state.house, "find", broken)
    page = admin.get("/jobs")
    assert page.status_code == 500 and page.headers["Content-Type"].startswith("text/html")
    assert "<!doctype html>" in page.text.lower() and page.headers["X-Request-Id"] in page.text
    assert "secret inside" not in page.text
    part = admin.get(
        "/jobs", headers={"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#jobs-list"}
    )
    assert part.status_code == 500 and part.headers["HX-Retarget"] == "#toasts", "the list would be gone for good"


def test_a_part_of_a_page_that_is_seen_no_more_has_the_page_drawn_again(admin: TestClient) -> None:
    part = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#job-state"}
    answer = admin.get("/jobs/job_gone", headers=part)
    assert answer.status_code == 404 and answer.headers["HX-Refresh"] == "true"


def test_a_crash_of_the_error_page_too_is_still_answered(
    house: House, admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(house.app.state.house, "find", broken)
    monkeypatch.setattr(house.app.state.house.html, "problem", broken)
    assert admin.get("/jobs").json()["status"] == 500


def test_a_host_that_is_not_ours_is_told_so_in_a_page(anonymous: TestClient) -> None:
    page = anonymous.get("/jobs", headers={"Host": "elsewhere.example"})
    assert page.status_code == 400 and "ALLOWED_HOSTS" in page.text
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "until", ["0.5", "1700000000", "2030-01-31", "2030-01-31T12:00:00", "soon", "99999-01-01T00:00:00Z"]
)
def test_a_time_is_rfc_3339_with_a_zone(admin: TestClient, until: str) -> None:
    for path in ("jobs", "events"):
        answer = admin.get(f"/api/v1/{path}", params={"until": until})
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "until"


@pytest.mark.parametrize("drained", [0, 1, "yes", {}, []])
def test_a_flag_is_true_or_false(admin: TestClient, drained: object) -> None:
    pool = admin.get("/api/v1/node-pools").json()["items"][0]["id"]
    answer = admin.patch(f"/api/v1/node-pools/{pool}", json={"drained": drained})
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "drained"


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/api/v1/openapi.json", 405), ("GET", "/api/v2", 404)])
def test_what_no_action_answers_is_a_problem_too(house: House, method: str, path: str, status: int) -> None:
    answer = house.anonymous().request(method, path)
    assert answer.status_code == status and (answer.headers.get("Allow") is not None) is (status == 405)
    on_api = path.startswith("/api/v1")
    assert answer.headers["Content-Type"].startswith("application/problem+json" if on_api else "text/html")


@pytest.mark.parametrize("credential", ["Basic YTpi", "Bearer lk_" + "x" * 32])
def test_a_page_asked_with_a_dead_key_is_not_sent_to_sign_in_for_ever(house: House, credential: str) -> None:
    answer = house.anonymous().get("/sign-in", headers={"Authorization": credential})
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer" and "<html" in answer.text
