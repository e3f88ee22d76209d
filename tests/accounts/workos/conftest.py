"""A server whose sign-in is WorkOS's, and browsers without a window that go to the emulator and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.peers import wait_until
from tests.peers.server import Server, ServerMaker, maker
from tests.peers.workos import ADA, BOB, WorkOS

LOGIN = "/api/v1/auth/login"
COOKIE = "lattice_session"


@dataclass
class Door:
    """The server and its identity provider."""

    server: Server
    workos: WorkOS
    lab: str  # WorkOS's id of the organization Lab, whose admin Ada is

    def browser(self) -> httpx2.Client:
        """Somebody's browser, in which nobody is signed in."""
        return self.server.client(**{"Sec-Fetch-Site": "same-origin"})

    def callback(self, browser: httpx2.Client, email: str = ADA, **query: str) -> str:
        """Begin to sign in; the address that the provider sends the browser back to."""
        away = browser.get(LOGIN, params={"login_hint": email, **query})
        assert away.status_code == 303, away.text
        back = httpx2.get(away.headers["Location"], trust_env=False)
        assert back.status_code == 302, back.text
        return str(back.headers["Location"])

    def sign_in(self, email: str = ADA, **query: str) -> httpx2.Client:
        browser = self.browser()
        came_back = browser.get(self.callback(browser, email, **query))
        assert came_back.status_code == 303, came_back.text
        assert "problem" not in came_back.headers["Location"], came_back.headers["Location"]
        return browser

    def me(self, browser: httpx2.Client) -> dict[str, Any] | None:
        answer = browser.get("/api/v1/auth/me")
        return answer.json() if answer.status_code == 200 else None

    def wait(self, condition: Callable[[], object], what: str) -> None:
        wait_until(condition, what=what, seconds=20, every=0.1)


def problem_of(answer: httpx2.Response) -> str:
    """Why a sign-in failed, as the address of the page that it leads to says."""
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return query.get("problem", ["none"])[0]


def opened(server: Server, workos: WorkOS, **settings: str) -> Door:
    lab = workos.organization("Lab")
    workos.member(lab, ADA, "admin")
    workos.member(lab, BOB)
    server.settings |= workos.settings | settings
    workos.send_webhooks_to(server.url)
    server.start()
    return Door(server, workos, lab)


@pytest.fixture
def door(new_server: ServerMaker, workos: WorkOS) -> Door:
    """A running server, a running emulator, and one organization there, Lab: Ada is its admin, Bob a member."""
    return opened(new_server(), workos)


@pytest.fixture(scope="module")
def shared_door(tmp_path_factory: pytest.TempPathFactory, shared_workos: WorkOS) -> Iterator[Door]:
    """The same, for tests that leave no trace which the others would see."""
    makers = maker(tmp_path_factory.mktemp)
    yield opened(next(makers)(), shared_workos)
    next(makers, None)
