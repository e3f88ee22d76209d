"""A backup is made while jobs run, and restored elsewhere: nothing is left of them there, and each comes to an end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.peers import wait_until
from tests.peers.server import Server, ServerMaker

WORDS = {"LATTICE_BACKUP_PASSPHRASE": "correct horse battery staple"}
SMALL = {"cpus": 0.1, "memory": 0.1}


@pytest.fixture
def ends() -> Iterator[Path]:
    """A file at whose sight jobs end, whichever user they run as; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="lattice-proof-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "ends"


def test_jobs_that_ran_during_the_backup_fail_or_run_again(new_server: ServerMaker, ends: Path) -> None:
    first = new_server(**WORDS)
    first.start()
    client = first.with_key("compute:write")
    plain = submit(client, "exec sleep 600", resources=SMALL)
    waits = f"until [ -e {ends} ]; do sleep 0.1; done; echo ran"
    failover = submit(client, waits, resources={**SMALL, "job_recovery": "failover"})
    reach(client, plain, "running")
    reach(client, failover, "running")
    first.lattice("server", "backup", "b")
    other = restored(new_server, first)
    other.start()
    client_there = other.client(Authorization=client.headers["Authorization"])
    lost = reach(client_there, plain, "failed")
    assert lost["started_at"] and "restored from a backup" in lost["reason"], lost
    assert job(client, plain)["state"] == "running", "the copy leaves alone what the first server runs"
    ends.touch()
    again = reach(client_there, failover, "succeeded")
    assert [attempt["state"] for attempt in again["attempts"]] == ["lost", "ended"]
    assert client_there.get(f"/api/v1/jobs/{failover}/logs").text == "ran\n"


def restored(new_server: ServerMaker, first: Server) -> Server:
    other = new_server(**WORDS)
    shutil.copy(first.home / "b", other.home / "b")
    other.lattice("server", "restore", "b")
    return other


def submit(client: httpx2.Client, run: str, **fields: Any) -> str:
    answer = client.post("/api/v1/jobs", json={"run": run, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def job(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    answer = client.get(f"/api/v1/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def reach(client: httpx2.Client, job_id: str, state: str) -> dict[str, Any]:
    wait_until(
        lambda: job(client, job_id)["state"] == state, what=f"{job_id} {state}: {job(client, job_id)}", seconds=60
    )
    return job(client, job_id)
