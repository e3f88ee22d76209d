"""`lattice server serve`: what it says, what it refuses, and how it ends."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from tests.cli.test_commands import one_sentence
from tests.peers import ROOT, wait_until
from tests.peers.server import Server, ServerMaker


def test_it_says_where_it_is_and_how_to_sign_in(server: Server) -> None:
    server.sign_in_link()
    where, link = server.output.splitlines()
    assert where == f"Lattice serves {server.url}" and f"{server.url}/sign-in?token=" in link
    assert "token=" not in server.errors
    assert server.client().get(link.split(": ", 1)[1].removeprefix(server.url)).status_code == 200
    assert "server" not in server.client().get("/healthz").headers


def test_a_second_server_on_the_folder_is_refused_and_not_after_a_kill(server: Server, new_server: ServerMaker) -> None:
    second = new_server(LATTICE_DATA_DIR=str(server.data))
    assert server.process
    said = one_sentence(second, "server", "serve", "--migrate", status=1)
    assert f"in use by process {server.process.pid}" in said
    server.kill()
    second.start()


def test_a_port_in_use_is_one_sentence(server: Server, new_server: ServerMaker) -> None:
    second = new_server(PORT=str(server.port))
    assert f"PORT {server.port}" in one_sentence(second, "server", "serve", "--migrate", status=1)


def test_it_ends_by_a_signal_with_status_0_and_nothing_in_its_log(server: Server) -> None:
    assert server.stop(signal.SIGTERM) == 0
    server.start()
    assert server.stop(signal.SIGINT) == 0
    assert server.errors == ""


def test_what_follows_live_ends_with_the_server_and_is_no_error(server: Server) -> None:
    """Its clients come again, and resume at the next one."""
    program = server.with_key("admin")
    with program.stream("GET", "/api/v1/live", timeout=30) as stream:
        lines = stream.iter_lines()
        assert "event: ready" in {next(lines), next(lines)}
        assert server.stop(signal.SIGTERM, seconds=4) == 0  # an open request would have five
        assert list(lines)[-1] == ""  # a whole frame was the last
    assert server.errors == ""


def test_the_command_for_a_link_names_where_the_server_is(server: Server) -> None:
    server.settings["PORT"] = "8000"  # as a shell has it that did not start the server
    assert server.lattice("admin", "sign-in-link").startswith(f"{server.url}/sign-in?token=")


def test_a_database_that_is_moved_away_is_told_and_nothing_is_written_to_nowhere(server: Server) -> None:
    program, file = server.with_key("admin"), server.data / "lattice.db"
    file.rename(file.with_name("away"))
    assert program.post("/api/v1/jobs", json={"run": "true"}).status_code == 503
    ready = program.get("/readyz")
    assert ready.status_code == 503 and "removed or replaced" in ready.text
    file.with_name("away").rename(file)
    assert program.post("/api/v1/jobs", json={"run": "true"}).status_code == 201
    assert server.is_ready()


def test_a_start_without_its_database_says_that_it_makes_a_new_one(server: Server) -> None:
    server.stop()
    for file in server.data.glob("lattice.db*"):
        file.unlink()
    server.start()
    assert "its database is gone" in server.errors


def test_dev_starts_again_when_a_template_changes(new_server: ServerMaker, tmp_path: Path) -> None:
    """On a copy of the project, so that nobody else's server starts again."""
    for part in ("app", "templates", "static", "migrations"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    made = new_server(PYTHONPATH=str(tmp_path))
    made.start("--dev")
    template = next((tmp_path / "templates").glob("*.html"))
    later = template.stat().st_mtime + 10
    wait_until(lambda: touched(template, later) and "Reloading" in made.errors, what="a reload", every=0.2)
    wait_until(made.is_ready, what="the server again", seconds=20)
    assert made.output.count("token=") == 1
    assert made.stop() == 0


def touched(file: Path, at: float) -> bool:
    os.utime(file, (at, at))
    return True
