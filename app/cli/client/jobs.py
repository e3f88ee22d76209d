"""`lattice jobs …`: submit, list, show, logs and stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from app.cli.client.login import Json, Url

if TYPE_CHECKING:
    from app.cli.client.api import Api

app = typer.Typer(help="Submit jobs and look after them.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")]
COMMAND = "lattice.command"
PAGE = 200
SHOWN = (
    "id", "name", "state", "reason", "pool", "accelerators", "cpus", "memory", "num_nodes", "priority",
    "created_at", "started_at", "finished_at", "exit_code", "attempt", "queue_position",
)  # fmt: skip


class SubmitCommand(TyperCommand):
    """Keeps what stands after `--` apart, since it is a command and not a file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[COMMAND] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)


@app.command("submit", cls=SubmitCommand)
def submit(
    ctx: typer.Context,
    *,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE.yaml | -- COMMAND…",
            help="A SkyPilot task file; - reads standard input.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call it.")] = None,
    pool: Annotated[str | None, typer.Option("--pool", help="The node pool.")] = None,
    gpus: Annotated[str | None, typer.Option("--gpus", help="Such as H100:8.")] = None,
    cpus: Annotated[str | None, typer.Option("--cpus", help="CPUs, such as 4 or 0.5.")] = None,
    memory: Annotated[str | None, typer.Option("--memory", help="GiB, such as 16.")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", help="NAME=VALUE, or NAME with its value here.")] = None,
    secret: Annotated[
        list[str] | None, typer.Option("--secret", help="The same, stored encrypted and never shown again.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the log; end as the job ends.")] = False,
    url: Url = "",
    json: Json = False,
) -> None:
    """Submit a task file, or a command after `--`: one word is a line for the shell, several are one command."""
    from app.cli.client import credentials, output, task
    from app.cli.client.api import Api

    command: list[str] | None = ctx.meta.get(COMMAND)
    if (command is None) == (file is None):
        raise typer.BadParameter("give a task file, or a command after --", ctx)
    options = task.Options(name, pool, gpus, cpus, memory, env or (), secret or ())
    with Api(credentials.needed(url)) as api:
        job = _send(api, task.of_file(file, options) if file else task.of_command(command or (), options))
        if json:
            output.as_json(job)
        elif follow:
            output.say(f"{job['id']} is {job['state']}. Ctrl-C leaves it running.")
        else:
            print(job["id"])
            output.say(output.shown(f"{job['state']}: {job['reason']}" if job["reason"] else job["state"]))
        if follow:
            _follow(api, job["id"], None, json)
            _end_as(api.call("GET", f"/jobs/{job['id']}"))


def _send(api: Api, body: dict[str, Any] | bytes) -> dict[str, Any]:
    """Under one Idempotency-Key, so that after a cut it can be sent again without making two jobs."""
    import secrets

    from app.cli.client.errors import NOT_REACHED, ClientError

    headers = {"Idempotency-Key": secrets.token_urlsafe(18)}
    request: dict[str, Any] = {"json": body} if isinstance(body, dict) else {"content": body}
    if isinstance(body, bytes):
        headers["Content-Type"] = "application/yaml"
    try:
        job = api.call("POST", "/jobs", headers=headers, **request)
    except ClientError as wrong:
        if wrong.status != NOT_REACHED:
            raise
        job = api.call("POST", "/jobs", headers=headers, **request)
    found: dict[str, Any] = job
    return found


def _end_as(job: dict[str, Any]) -> None:
    """Say how the job ended, and end with 0 or 1 alike."""
    from app.cli.client.output import say, shown

    reason = f": {job['reason']}" if job["reason"] else ""
    say(shown(f"{job['id']} {job['state']}{reason}"))
    if job["state"] != "succeeded":
        raise typer.Exit(1)


@app.command("list")
def list_jobs(
    *,
    state: Annotated[str, typer.Option("--state", help="Such as running, or queued,starting.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="`me` or a person's id.")] = "",
    pool: Annotated[str, typer.Option("--pool", help="A node pool's name.")] = "",
    q: Annotated[str, typer.Option("--q", help="A part of the name and commands (first 4,000 characters).")] = "",
    since: Annotated[str, typer.Option("--since", help="How far back: 24h, 7d, or an RFC 3339 time.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1, max=10_000)] = 50,
    url: Url = "",
    json: Json = False,
) -> None:
    """List jobs, the newest first."""
    from app.cli.client import credentials, output
    from app.cli.client.api import Api

    filters = {"state": state, "owner": owner, "pool": pool, "q": q, "since": since}
    with Api(credentials.needed(url)) as api:
        found = _pages(api, {name: value for name, value in filters.items() if value}, limit)
    if json:
        output.as_json(found)
        return
    output.table(("ID", "NAME", "STATE", "POOL", "GPUS", "OWNER", "AGE"), [_row(job) for job in found["items"]])


def _row(job: dict[str, Any]) -> tuple[object, ...]:
    from app.cli.client.output import age

    known = (job[name] for name in ("id", "name", "state", "pool", "accelerators"))
    return (*known, job["owner"]["name"], age(job["created_at"]))


def _pages(api: Api, filters: dict[str, str], limit: int) -> dict[str, Any]:
    """As many pages as it takes, as one."""
    items: list[Any] = []
    cursor: str | None = None
    while len(items) < limit:
        asked = {**filters, "limit": min(PAGE, limit - len(items)), **({"cursor": cursor} if cursor else {})}
        page = api.call("GET", "/jobs", params=asked)
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    return {"items": items, "next": cursor}


@app.command("show")
def show(job: JobId, url: Url = "", json: Json = False) -> None:
    """Show one job."""
    from app.cli.client import credentials, output
    from app.cli.client.api import Api

    with Api(credentials.needed(url)) as api:
        found = api.call("GET", f"/jobs/{_path(job)}")
    if json:
        output.as_json(found)
        return
    output.facts([*((name.replace("_", " "), found[name]) for name in SHOWN), ("owner", found["owner"]["name"])])


@app.command("logs")
def logs(
    job: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", help="Only the last lines.", min=1)] = None,
    url: Url = "",
    json: Json = False,
) -> None:
    """Print a job's log."""
    from app.cli.client import credentials
    from app.cli.client.api import Api

    with Api(credentials.needed(url)) as api:
        if follow:
            _follow(api, _path(job), tail, json)
        else:
            _print_log(api, _path(job), tail, json)


def _follow(api: Api, job_id: str, tail: int | None, json: bool) -> None:
    """The job goes on when this is interrupted."""
    import signal

    from app.cli.client.follow import follow
    from app.cli.client.output import say

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler waits until a read that just began returns
    for event in follow(api, job_id, tail):
        if json:
            _print_json_line(event.kind or "log", event.offset, event.data)
        elif event.kind == "gap":
            say(f"A part of the log was cut out; it goes on at offset {event.offset}.")
        elif not event.kind:
            _write(event.data + b"\n")


def _print_json_line(kind: str, offset: str, data: bytes) -> None:
    import json

    line = {"event": kind, "offset": int(offset or 0), "data": data.decode("utf-8", "replace")}
    _write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _print_log(api: Api, job_id: str, tail: int | None, json: bool) -> None:
    """The log as it is now, piece by piece."""
    params: dict[str, Any] = {} if tail is None else {"tail": tail}
    while True:
        answer = api.ask("GET", f"/jobs/{job_id}/logs", params=params)
        after = int(answer.headers.get("lattice-next-offset", 0))
        if json and answer.content:
            _print_json_line("log", str(after), answer.content)
        elif answer.content:
            _write(answer.content)
        if not answer.content or after >= int(answer.headers.get("lattice-log-size", 0)):
            return
        params = {"offset": after}


def _write(data: bytes) -> None:
    import sys

    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


@app.command("stop")
def stop(
    jobs: Annotated[list[str], typer.Argument(metavar="JOB…", help="Ids of jobs.")], url: Url = "", json: Json = False
) -> None:
    """Stop jobs: queued ones at once, running ones by their signal and grace. A second stop kills."""
    from app.cli.client import credentials, output
    from app.cli.client.api import Api

    with Api(credentials.needed(url)) as api:
        done = api.call("POST", "/jobs/stop", json={"ids": jobs, "again": True})
    if json:
        output.as_json(done)
    else:
        output.say(f"{done['stopped']} told to stop, {done['unchanged']} unchanged.")
        for one in done["refused"]:
            output.say(output.shown(f"{one['id']}: {one['detail']}"))
    if done["refused"]:
        raise typer.Exit(1)


def _path(job_id: str) -> str:
    """An id as a part of a path, whatever was typed."""
    from urllib.parse import quote

    return quote(job_id, safe="")
