"""`kill -9` of the real server while jobs run and wait: each runs exactly once, and no byte of a log is missing."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.peers import wait_until
from tests.peers.server import ServerMaker

RUNNING, WAITING = 20, 200
LONG = 40  # lines that each of the first jobs writes, a tenth of a second apart
SECONDS = 180.0


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.full)])
def test_killed_while_jobs_run_and_wait(new_server: ServerMaker, proof: Path, kills: int) -> None:
    server = new_server()
    server.start()
    client = server.with_key("compute:write")
    cpus = share_of_cpus(client)
    jobs = {submit(client, long_job(proof, n), cpus): n for n in range(RUNNING)}
    wait_until(lambda: count(client, "running") == RUNNING, what=f"{RUNNING} running", seconds=SECONDS)
    jobs |= {submit(client, short_job(proof, n), cpus): n for n in range(RUNNING, RUNNING + WAITING)}
    first = next(iter(jobs))
    moments = random.Random()
    for moment in sorted(moments.uniform(0.05, 0.95) for _ in range(kills)):
        wait_until(partial(has_come, client, first, moment), what="the next moment", seconds=SECONDS)
        server.kill()
        server.start()
    wait_until(lambda: count(client, "succeeded") == len(jobs), what="all succeeded", seconds=SECONDS)
    for job_id, n in jobs.items():
        assert (proof / str(n)).read_text() == "ran\n", f"job {n} did not run exactly once"
        assert log_of(client, job_id) == (long_log(n) if n < RUNNING else f"short {n}\n")


@pytest.fixture
def proof() -> Iterator[Path]:
    """A folder in which jobs may write, whichever user they run as; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="lattice-proof-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def share_of_cpus(client: httpx2.Client) -> float:
    """So many CPUs that RUNNING jobs fill the machine and the others wait."""
    (pool,) = client.get("/api/v1/node-pools").json()["items"]
    return int(pool["capacity"]["cpus"] * 10 / RUNNING) / 10


def has_come(client: httpx2.Client, first: str, moment: float) -> bool:
    return progress(client, first) >= moment


def progress(client: httpx2.Client, first: str) -> float:
    """From 0 to 1: half of it the first job's lines, half of it jobs that succeeded."""
    lines = log_of(client, first).count("\n") / LONG
    return (lines + count(client, "succeeded") / (RUNNING + WAITING)) / 2


def long_job(proof: Path, n: int) -> str:
    return f"echo ran >> {proof}/{n}; for i in $(seq {LONG}); do echo job {n} line $i; sleep 0.1; done"


def long_log(n: int) -> str:
    return "".join(f"job {n} line {i}\n" for i in range(1, LONG + 1))


def short_job(proof: Path, n: int) -> str:
    return f"echo ran >> {proof}/{n}; echo short {n}"


def submit(client: httpx2.Client, run: str, cpus: float) -> str:
    body = {"run": run, "resources": {"cpus": cpus, "memory": 0.1}}
    answer = client.post("/api/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def count(client: httpx2.Client, state: str) -> int:
    answer = client.get("/api/v1/jobs/totals")
    assert answer.status_code == 200, answer.text
    states: dict[str, int] = answer.json()["states"]
    assert not states["failed"] and not states["stopped"], states
    return states[state]


def log_of(client: httpx2.Client, job_id: str) -> str:
    answer = client.get(f"/api/v1/jobs/{job_id}/logs")
    assert answer.status_code == 200, answer.text
    return answer.text
