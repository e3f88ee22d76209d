"""WorkOS's official emulator as a process of its own: the real peer of sign-in, with people of the test.

It signs in whom `login_hint` names without asking, sends webhooks, and forgets everything when it is stopped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.peers import ROOT, free_port, unavailable, wait_until

PROGRAM = ROOT / "node_modules/.bin/workos"
API_KEY = "sk_test_default"
CLIENT_ID = "client_test"
WEBHOOK_SECRET = "the secret of the test's webhook"
ADA, BOB, EVE, UNA = "ada@lab.test", "bob@lab.test", "eve@lab.test", "una@lab.test"


@dataclass
class WorkOS:
    """The emulator. Its people are made from the seed file, everything else through its API."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What a server needs to sign people in with it."""
        return {
            "AUTH_API_KEY": API_KEY,
            "AUTH_CLIENT_ID": CLIENT_ID,
            "AUTH_BASE_URL": self.url,
            "AUTH_WEBHOOK_SECRET": WEBHOOK_SECRET,
        }

    def start(self) -> None:
        """Start it with its people and nothing else."""
        with (self.folder / "workos.log").open("a") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "emulate", "--port", str(self.port), "--seed", self.folder / "seed.json", "--json"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self.is_up, what="the WorkOS emulator", seconds=30)

    def is_up(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health", trust_env=False, timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    def stop(self) -> None:
        """`kill -9`: whoever asks it now is refused a connection."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """One call of its API; the answer's JSON, None when it is empty."""
        answer = httpx2.request(
            method,
            f"{self.url}/{path}",
            json=body or None,
            headers={"Authorization": f"Bearer {API_KEY}"},
            trust_env=False,
            timeout=10,
        )
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def listed(self, path: str) -> list[dict[str, Any]]:
        """The first hundred, oldest first."""
        mark = "&" if "?" in path else "?"
        found: list[dict[str, Any]] = self.ask("GET", f"{path}{mark}limit=100&order=asc")["data"]
        return found

    def user(self, email: str) -> dict[str, Any]:
        return self.listed(f"user_management/users?email={email}")[0]

    def organization(self, name: str) -> str:
        """A new organization; its id."""
        return str(self.ask("POST", "organizations", name=name)["id"])

    def member(self, organization_id: str, email: str, role: str = "member") -> str:
        """Make the person a member; the membership's id."""
        made = self.ask(
            "POST",
            "user_management/organization_memberships",
            organization_id=organization_id,
            user_id=self.user(email)["id"],
            role_slug=role,
        )
        return str(made["id"])

    def sessions(self, email: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"user_management/users/{self.user(email)['id']}/sessions")[
            "data"
        ]
        return found

    def send_webhooks_to(self, server_url: str) -> None:
        self.ask(
            "POST",
            "webhook_endpoints",
            endpoint_url=f"{server_url}/api/v1/auth/webhooks/workos",
            secret=WEBHOOK_SECRET,
            events=[],
        )


def _seed(people: Sequence[str]) -> str:
    users = [
        {"email": email, "first_name": email.partition("@")[0].title(), "email_verified": email != UNA}
        for email in people
    ]
    return json.dumps({"users": users})


def emulated(folder: Path) -> Iterator[WorkOS]:
    """A running emulator that knows Ada, Bob, Eve, and Una, whose address is not verified."""
    if not PROGRAM.exists() or shutil.which("node") is None:
        unavailable("the WorkOS emulator is not installed (npm ci)")
    (folder / "seed.json").write_text(_seed([ADA, BOB, EVE, UNA]))
    emulator = WorkOS(folder)
    emulator.start()
    yield emulator
    emulator.stop()


@pytest.fixture
def workos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkOS]:
    """An emulator of the test's own, which it may stop."""
    yield from emulated(tmp_path_factory.mktemp("workos"))


@pytest.fixture(scope="module")
def shared_workos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkOS]:
    """An emulator that the tests of a module share."""
    yield from emulated(tmp_path_factory.mktemp("workos"))
