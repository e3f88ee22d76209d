"""The one stream of a job's page: what happens to jobs, and how far this job's log reaches."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2

from tests.peers import wait_until
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
        another = submit(admin, "true")
        assert admin.patch(f"{JOBS}/{job_id}", json={"name": "seen"}).status_code == 200
        renamed = next(frame for frame in coming if frame["event"] == "job" and "job.changed" in frame["data"])
        assert json.loads(renamed["data"])["subject_id"] == job_id
        assert admin.post(f"{JOBS}/{job_id}/stop").status_code == 202
        size = json.loads(told(coming, ended=True)["data"])["size"]
        assert size == admin.get(f"{JOBS}/{job_id}").json()["log_size"]
        told_last = list(coming)  # it ends, and nothing of another job is in it
        assert told_last[-1]["event"] == "end" and another not in str(told_last)
    resumed = {"Last-Event-ID": renamed["id"]}
    with admin.stream("GET", f"{JOBS}/{job_id}/live", headers=resumed) as answer:
        coming = frames(answer.iter_lines())
        seen = list(coming)
        actions = [json.loads(frame["data"])["action"] for frame in seen if frame["event"] == "job"]
        assert actions == ["job.stop_requested", "job.stopping", "job.stopped"]  # what came after the name
        assert [frame["event"] for frame in seen].count("log") == 1 and seen[-1]["event"] == "end"


def test_a_job_that_has_ended_is_told_of_to_its_end(server: Server) -> None:
    admin = server.with_key("admin")
    job_id = submit(admin, "echo all of it")
    wait_until(lambda: admin.get(f"{JOBS}/{job_id}").json()["state"] == "succeeded", what="the job to succeed")
    with admin.stream("GET", f"{JOBS}/{job_id}/live", params={"after": 0}) as answer:
        seen = list(frames(answer.iter_lines()))
    actions = [json.loads(frame["data"])["action"] for frame in seen if frame["event"] == "job"]
    assert (actions[0], actions[-1]) == ("job.submitted", "job.succeeded")
    assert (seen[0]["event"], seen[-1]["event"]) == ("ready", "end")


def test_one_that_waits_hears_that_the_line_has_moved(server: Server) -> None:
    admin = server.with_key("admin")
    pool = admin.get("/api/v1/node-pools").json()["items"][0]["id"]
    admin.patch(f"/api/v1/node-pools/{pool}", json={"drained": True}).raise_for_status()
    job_id = submit(admin, "true")
    with admin.stream("GET", f"{JOBS}/{job_id}/live") as answer:
        coming = frames(answer.iter_lines())
        told(coming, size=0, ended=False)
        submit(admin, "true")
        assert next(coming)["event"] == "queue"
