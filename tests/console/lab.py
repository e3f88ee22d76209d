"""A running server and somebody who is signed in there: what journeys need to have happened before they begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

import httpx2

from tests.peers import wait_until
from tests.peers.server import Server

Json: TypeAlias = dict[str, Any]
FINAL = ("succeeded", "failed", "stopped")
SMALL = {"cpus": 0.1, "memory": 0.1}  # many of these run side by side on any machine
HELD = {**SMALL, "accelerators": "H100:8"}  # one of these runs at a time


@dataclass
class Lab:
    server: Server
    client: httpx2.Client  # a session of the first admin

    def submit(self, name: str, run: str = "true", **more: Any) -> str:
        """The new job's id."""
        body = {"name": name, "run": run, "resources": SMALL, **more}
        answer = self.client.post("/api/v1/jobs", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> Json:
        return self.get(f"/jobs/{job_id}")

    def get(self, path: str) -> Json:
        answer = self.client.get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def reach(self, job_id: str, *states: str) -> Json:
        """Wait until the job is in one of the states (default: until it has ended); the job."""
        wanted = states or FINAL
        wait_until(lambda: self.job(job_id)["state"] in wanted, what=f"{job_id} to be {wanted}", seconds=60, every=0.1)
        return self.job(job_id)

    def finished(self, name: str, run: str = "true", **more: Any) -> str:
        """The id of a job that has run to its end."""
        job_id = self.submit(name, run, **more)
        self.reach(job_id)
        return job_id

    def stop(self, job_id: str) -> None:
        """At once: a second stop does not wait."""
        for _ in range(2):
            self.client.post(f"/api/v1/jobs/{job_id}/stop")
        self.reach(job_id)

    def pool(self) -> Json:
        """The pool of this machine."""
        pools: list[Json] = self.get("/node-pools")["items"]
        return pools[0]

    def change_pool(self, **changes: Any) -> None:
        answer = self.client.patch(f"/api/v1/node-pools/{self.pool()['id']}", json=changes)
        assert answer.status_code == 200, answer.text

    def key(self) -> str:
        """The id of a new API key."""
        answer = self.client.post("/api/v1/api-keys", json={"name": "ci", "scopes": ["compute:write"]})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def team(self) -> str:
        """The id of a new team with Ada in it."""
        team = self._made("teams", {"name": f"Team {uuid4().hex[:8]}"})
        self.client.post(f"/api/v1/teams/{team['id']}/members", json={"member": self.member()})
        return str(team["id"])

    def member(self) -> str:
        """The id of Ada's membership."""
        return str(self.get("/members?q=Ada")["items"][0]["id"])

    def invitation(self) -> Json:
        return self._made("invitations", {"email": f"{uuid4().hex[:8]}@lab.test"})

    def _made(self, noun: str, body: Json) -> Json:
        answer = self.client.post(f"/api/v1/{noun}", json=body)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    def cookies(self) -> list[Json]:
        """The session's cookie as browsers store it."""
        common = {"domain": "localhost", "path": "/", "expires": -1, "httpOnly": True, "secure": False}
        return [{"name": n, "value": v, "sameSite": "Lax", **common} for n, v in self.client.cookies.items()]
