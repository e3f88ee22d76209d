"""The access matrix: every Action × everybody who may ask, really asked, as lines of text.

A cell says what came back: `401`, `403`, `404`, or `ok` when the Gate let the request in, whatever became of it after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.testclient import TestClient

from app.accounts.actions import log_out
from app.accounts.invitations.models import Invitation
from app.accounts.keys.actions import give_back_api_key
from app.accounts.members.actions import remove_member
from app.accounts.models import ApiKey, Membership, Organization, SignInSession, User
from app.accounts.queries import membership
from app.accounts.teams.models import Team
from app.jobs.models import Job
from app.main import ACTIONS
from app.pools.models import NodePool
from app.web.action import Action, Mount, Role, Scope
from app.web.answer import API
from tests.conftest import House

REFUSALS = {401, 403, 404}
LEAVING = {log_out, give_back_api_key, remove_member}  # who was let in is out afterwards


@dataclass(frozen=True)
class Column:
    """One kind of asker. `owns`: whether the things that it asks for are its own."""

    name: str
    client: TestClient
    owns: bool


class Matrix:
    def __init__(self, house: House) -> None:
        self.house = house
        self.made = 0
        self.elsewhere = house.organization("Elsewhere")
        self._arrive()

    def _arrive(self) -> None:
        """Everybody is there and signed in, also who has just left."""
        self.bob = self.house.person("bob@lab.test")
        self.eve = self.house.person("eve@lab.test")
        users = (self.bob, self.eve, self.house.admin_user)
        self.browsers = {user.id: self.house.sign_in(user) for user in users}
        self.columns = list(self._columns())

    def _columns(self) -> Iterator[Column]:
        house = self.house
        yield Column("nobody", house.anonymous(), owns=False)
        yield Column("member", house.sign_in(self.bob), owns=True)
        yield Column("member-others", house.sign_in(self.eve), owns=False)
        yield Column("admin-others", house.sign_in(house.admin_user), owns=False)
        for scope in ("", *Scope):
            label = scope or "no-scope"
            yield Column(f"key:{label}:member", house.key(*filter(None, [scope]), user=self.bob), owns=True)
            yield Column(f"key:{label}:admin", house.key(*filter(None, [scope])), owns=False)
        elsewhere = self.elsewhere
        mallory = house.person("mallory@else.test", Role.ADMIN, elsewhere)
        yield Column("elsewhere:admin", house.sign_in(mallory), owns=False)
        yield Column("elsewhere:key:admin", house.key("admin", user=mallory, organization=elsewhere), owns=False)

    def lines(self) -> Iterator[str]:
        """The header, then a line an Action and mount, sorted by path."""
        yield "# " + " ".join(c.name for c in self.columns)
        for action in sorted(ACTIONS, key=lambda a: (a.path, a.method)):
            for prefix in _mounts(action):
                cells = [self._cell(action, prefix, number) for number in range(len(self.columns))]
                yield f"{action.method:6} {prefix + action.path}: " + " ".join(cells)

    def _cell(self, action: Action, prefix: str, number: int) -> str:
        column = self.columns[number]
        path = action.path
        if action.thing is not None:
            path = path.replace("{id}", MAKERS[action.thing](self, self.bob))
        status = self._send(action, prefix + path, column.client, html=not prefix)
        if action.handler in LEAVING and status not in REFUSALS:
            self._arrive()
        return str(status) if status in REFUSALS else "ok"

    def _send(self, action: Action, path: str, client: TestClient, *, html: bool) -> int:
        data = {"_method": action.method} if html and action.writes else None
        method = "POST" if html and action.writes else action.method
        if action.media == "text/event-stream":
            path += "?after=nonsense"  # let in is seen by the 422; the stream itself never ends
        answer = client.request(method, path, data=data)
        if (
            html
            and answer.status_code == 303
            and answer.headers["Location"].startswith("/sign-in")
            and not action.public
        ):
            return 401
        assert answer.status_code < 500, (action.method, path, answer.text)
        return answer.status_code


def _mounts(action: Action) -> list[str]:
    return [API] * action.on_api + [""] * (action.on_html and action.mount is not Mount.API_ONLY_PATH)


def _job(matrix: Matrix, owner: User) -> str:
    answer = matrix.browsers[owner.id].post(f"{API}/jobs", json={"run": "true"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _api_key(matrix: Matrix, owner: User) -> str:
    answer = matrix.browsers[owner.id].post(f"{API}/api-keys", json={"name": "made for the matrix"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _session(matrix: Matrix, owner: User) -> str:
    browser = matrix.house.sign_in(owner)
    sessions = browser.get(f"{API}/settings/sessions").json()["items"]
    return next(str(s["id"]) for s in sessions if s["current"])


def _pool(matrix: Matrix, owner: User) -> str:
    return str(matrix.browsers[owner.id].get(f"{API}/node-pools").json()["items"][0]["id"])


def _member(matrix: Matrix, owner: User) -> str:
    with matrix.house.site.db.read() as db:
        found = membership(db, matrix.house.home.id, owner.id)
    assert found is not None
    return found.id


def _organization(matrix: Matrix, _owner: User) -> str:
    return matrix.house.home.id


def _team(matrix: Matrix, _owner: User) -> str:
    matrix.made += 1
    return _created(matrix, "teams", {"name": f"Team {matrix.made}"})


def _invitation(matrix: Matrix, _owner: User) -> str:
    matrix.made += 1
    return _created(matrix, "invitations", {"email": f"invited{matrix.made}@lab.test"})


def _created(matrix: Matrix, noun: str, body: dict[str, str]) -> str:
    answer = matrix.browsers[matrix.house.admin_user.id].post(f"{API}/{noun}", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


MAKERS: dict[type, Callable[[Matrix, User], str]] = {
    Membership: _member,
    Organization: _organization,
    Team: _team,
    Invitation: _invitation,
    Job: _job,
    ApiKey: _api_key,
    SignInSession: _session,
    NodePool: _pool,
}
