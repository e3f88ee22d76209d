"""The one stream of a job's page: what happens to jobs, and how far this job's log reaches."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2

from tests.peers.server import Server
from tests.sse import Frame, frames

JOBS = "/api/v1/jobs"
RUN = "echo one; sleep 300"


def submit(client: httpx2.Client, run: str) -> str:
    answer = client.post(JOBS, json={"name": "watched", "run": run, "resources": {"cpus": 0.1, "memory": 0.1}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def told(coming: Iterator[Frame], **wanted: object) -> Frame:
    """The first frame of the log that says so."""
    return next(f for f in coming if f["event"] == "log" and wanted.items() <= json.loads(f["data"]).items())


def test_it_tells_of_the_log_and_of_the_end(server: Server) -> None:
    admin = server.with_key("admin")
    job_id = submit(admin, RUN)
    with admin.stream("GET", f"{JOBS}/{job_id}/live") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        coming = frames(answer.iter_lines())
        assert "id" not in told(coming, size=4)  # only events are resumed after
        assert admin.patch(f"{JOBS}/{job_id}", json={"name": "seen"}).status_code == 200
        renamed = next(frame for frame in coming if frame["event"] == "job" and "job.changed" in frame["data"])
        assert json.loads(renamed["data"])["subject_id"] == job_id
        assert admin.post(f"{JOBS}/{job_id}/stop").status_code == 202
        size = json.loads(told(coming, ended=True)["data"])["size"]
        assert size == admin.get(f"{JOBS}/{job_id}").json()["log_size"]
        another = submit(admin, "true")  # events go on after the log
        assert any(another in frame["data"] for frame in coming if frame["event"] == "job")
    resumed = {"Last-Event-ID": renamed["id"]}
    with admin.stream("GET", f"{JOBS}/{job_id}/live", headers=resumed) as answer:
        coming = frames(answer.iter_lines())
        first = next(frame for frame in coming if frame["event"] == "job")
        assert json.loads(first["data"])["action"] == "job.stop_requested"  # which came after the name
    with admin.stream("GET", f"{JOBS}/{job_id}/live", headers=resumed) as answer:
        told(frames(answer.iter_lines()), size=size, ended=True)


def test_what_is_resumed_after_misses_nothing(server: Server) -> None:
    admin = server.with_key("admin")
    job_id = submit(admin, "true")
    with admin.stream("GET", f"{JOBS}/{job_id}/live", params={"after": 0}) as answer:
        seen = []
        for frame in frames(answer.iter_lines()):
            seen.append(json.loads(frame["data"]).get("action"))
            if seen[-1] == "job.succeeded":
                break
    assert "job.submitted" in seen
