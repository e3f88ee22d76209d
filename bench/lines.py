"""The lines of the table: each starts from a running server (or none) and returns a Result with its floor."""

from __future__ import annotations

import gzip
import re
import shutil
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import orjson

from app.web.answer import API
from bench import floor
from bench.load import Connection, load, request
from bench.result import Result, median_ms, percentile
from bench.seed import seed
from tests.peers.server import Server

ROUNDS = 5  # of 2,000 submits: one alone says more about what else the machine does
JOB = orjson.dumps({"name": "bench", "run": "true"})


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[tuple[Server, str]]:
    """A running server and an admin's API key."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder, settings)
    server.start()
    try:
        yield server, server.with_key("admin").headers["Authorization"].removeprefix("Bearer ")
    finally:
        server.close()


def get(server: Server, key: str, path: str) -> Callable[[], bytes]:
    connection = Connection(server.port)
    wire = request("GET", path, port=server.port, key=key)

    def ask() -> bytes:
        status, body = connection.ask(wire)
        assert status == 200, (path, status, body[:300])
        return body

    return ask


def page(server: Server, path: str) -> Callable[[], bytes]:
    browser = server.signed_in()

    def ask() -> bytes:
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.content

    return ask


def submitting(folder: Path) -> list[Result]:
    with serving(folder, LATTICE_LOCAL_POOL="off") as (server, key):
        wire = request("POST", f"{API}/jobs", port=server.port, key=key, body=JOB)
        load(server.port, wire, clients=8, each=20, status=201)
        rounds = [load(server.port, wire, clients=8, each=250, status=201) for _ in range(ROUNDS)]
    bare = floor.BareServer()
    try:
        wire = request("POST", f"{API}/jobs", port=bare.port, key=key, body=JOB)
        empty = load(bare.port, wire, clients=8, each=250, status=201)
    finally:
        bare.close()
    commits = floor.commits_per_second(folder)
    worst = percentile([took for one in rounds for took in one.times], 0.99)
    per_second = statistics.median(one.per_second for one in rounds)
    return [
        Result("submit a job, committed", per_second, "/s", 400, min(commits, empty.per_second),
               f"the slower of durable inserts {commits:.0f}/s and a bare server {empty.per_second:.0f}/s",
               higher_is_better=True, note=f"8 clients over HTTP, the median of {ROUNDS} rounds"),
        Result("… its p99", worst, "ms", 50, percentile(empty.times, 0.99), "a bare server"),
    ]  # fmt: skip


def listing(folder: Path, count: int) -> list[Result]:
    with serving(folder, LATTICE_LOCAL_POOL="off"):
        pass
    file = folder / "data" / "lattice.db"
    seed(file, count)
    with serving(folder, LATTICE_LOCAL_POOL="off") as (server, key):
        return [*_lists(server, key, file, count), *_filters(server, key, file), *_searches(server, key, file)]


def _lists(server: Server, key: str, file: Path, count: int) -> list[Result]:
    ask = get(server, key, f"{API}/jobs?limit=100")
    raw = median_ms(lambda: floor.list_in_process(file))
    size = len(ask()) / 1000
    html = page(server, "/jobs")
    ping = page(server, "/api/v1/auth/allowed-scopes")
    stored = f"{count:,} stored"
    return [
        Result("the newest 100 jobs as JSON", median_ms(ask), "ms", 5, raw, "plain SQL and orjson", note=stored),
        Result("… their size", size, "kB", 60, len(floor.list_in_process(file)) / 1000, "the rows whole"),
        Result("the jobs page as HTML", median_ms(html), "ms", 10, median_ms(ping), "its smallest answer",
               note="50 rows, with the client's own time"),
    ]  # fmt: skip


def _filters(server: Server, key: str, file: Path) -> list[Result]:
    database = sqlite3.connect(file)
    (owner,) = database.execute("SELECT id FROM user_account").fetchone()
    paths = [f"state={s}" for s in ("queued", "running", "failed", "stopped")]
    paths += [
        f"owner={owner}",
        "state=failed&owner=me",
        "pool=local&state=stopped",
        "state=running&pool=local&owner=me",
    ]
    slowest, where = 0.0, ""
    for path in paths:
        ask = get(server, key, f"{API}/jobs?limit=50&{path}")
        cursor = orjson.loads(ask())["next"]
        later = get(server, key, f"{API}/jobs?limit=50&{path}&cursor={cursor}") if cursor else ask
        for found in (median_ms(ask, 15), median_ms(later, 15)):
            slowest, where = max((slowest, where), (found, path))
    sql = "SELECT * FROM job WHERE state = 'failed' ORDER BY id DESC LIMIT 51"
    raw = median_ms(lambda: database.execute(sql).fetchall())
    database.close()
    return [
        Result(
            "the slowest indexed filter, any page",
            slowest,
            "ms",
            10,
            raw,
            "plain SQL",
            note=f"{where}; first or later page",
        )
    ]


def _searches(server: Server, key: str, file: Path) -> list[Result]:
    slowest, where = 0.0, ""
    for q in ("train", "bert-llama", "nothing-like-it", "--seed 77777", "python"):
        found = median_ms(get(server, key, f"{API}/jobs?q={q.replace(' ', '%20')}"), 10)
        slowest, where = max((slowest, where), (found, q))
    database = sqlite3.connect(file)
    sql = "SELECT rowid FROM job_search WHERE job_search MATCH '\"train\"' ORDER BY rowid DESC LIMIT 51"
    raw = median_ms(lambda: database.execute(sql).fetchall())
    database.close()
    return [Result("search by name or text", slowest, "ms", 30, raw, "plain FTS5", note=f"slowest: {where!r}")]


def stopping(folder: Path) -> list[Result]:
    with serving(folder, LATTICE_LOCAL_POOL="off") as (server, key):
        wire = request("POST", f"{API}/jobs", port=server.port, key=key, body=JOB)
        load(server.port, wire, clients=4, each=250, status=201)
        client = httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        ids: list[str] = []
        cursor = ""
        while len(ids) < 1000:
            found = client.get(f"{API}/jobs?state=queued&limit=200{cursor}").json()
            ids += [job["id"] for job in found["items"]]
            cursor = f"&cursor={found['next']}"
        began = time.perf_counter()
        answer = client.post(f"{API}/jobs/stop", json={"ids": ids}, timeout=60)
        seconds = time.perf_counter() - began
        assert answer.json()["stopped"] == 1000, answer.text
        server.stop()
    database = sqlite3.connect(folder / "data" / "lattice.db", isolation_level=None)
    began = time.perf_counter()
    database.execute("BEGIN IMMEDIATE")
    database.executemany("UPDATE job SET state = 'queued' WHERE id = ?", [(i,) for i in ids])
    database.execute("COMMIT")
    raw = time.perf_counter() - began
    return [Result("stop 1,000 queued jobs in one call", seconds, "s", 0.3, raw, "1,000 updates by plain SQL")]


def starting(folder: Path) -> list[Result]:
    with serving(folder):
        pass
    server = Server(folder)
    try:
        times = []
        for _ in range(5):
            times.append(server.start())
            server.stop()
        server.start()
        assert server.process is not None
        server.client().get("/api/v1/auth/allowed-scopes")
        resident = floor.resident_mib(server.process.pid)
    finally:
        server.close()
    imports = min(floor.imports_seconds() for _ in range(3))
    return [
        Result("a warm start to the first 200", sorted(times)[2], "s", 2, imports, "importing the named packages"),
        Result("resident memory, idle", resident, "MiB", 150, floor.imports_mib(), "the named packages imported"),
    ]


def running(folder: Path, count: int = 400) -> list[Result]:
    with serving(folder) as (server, key):
        wire = request("POST", f"{API}/jobs", port=server.port, key=key, body=orjson.dumps(
            {"name": "bench", "run": "true", "resources": {"cpus": 0.1, "memory": 0.1}}
        ))  # fmt: skip
        began = time.perf_counter()
        load(server.port, wire, clients=4, each=count // 4, status=201)
        ask = get(server, key, f"{API}/jobs?state=queued,starting,running&limit=1")
        while orjson.loads(ask())["items"]:
            time.sleep(0.05)
        per_second = count / (time.perf_counter() - began)
        failed = orjson.loads(get(server, key, f"{API}/jobs?state=failed&limit=1")())["items"]
        assert not failed, failed
    raw = floor.supervisors_per_second()
    return [Result("local engine, `true` jobs end to end", per_second, "/s", 50, raw, "starting isolated Pythons",
                   higher_is_better=True, note="submission, placement, log and end included")]  # fmt: skip


def visiting(folder: Path) -> list[Result]:
    """What a browser transfers at its first visit of the jobs page: the page and all that it names."""
    with serving(folder) as (server, _):
        browser = server.signed_in()
        browser.headers["Accept-Encoding"] = "gzip"
        html = browser.get("/jobs").text
        wanted = set(re.findall(r'(?:src|href)="(/static/[^"#]+)', html))
        seen: dict[str, int] = {"/jobs": len(gzip.compress(html.encode(), 5))}
        while wanted:
            path = wanted.pop()
            if path in seen or "manifest" in path:
                continue
            with browser.stream("GET", path) as answer:
                seen[path] = sum(len(part) for part in answer.iter_raw())
            text = browser.get(path).text if path.split("?")[0].endswith((".css", ".js")) else ""
            for name in re.findall(r"""(?:url\(["']?|from\s*["']|import\s*["'])([./][^"')]+)""", text):
                wanted.add(str(httpx2.URL(server.url + path).join(name)).removeprefix(server.url))
    htmx = sum(size for path, size in seen.items() if "/vendor/" in path)
    return [Result("first visit of the console, compressed", sum(seen.values()) / 1000, "kB", 90, htmx / 1000,
                   "htmx with its extensions", note=f"{len(seen)} files")]  # fmt: skip


def clean(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
