"""`serve --dev`: the server as a child process that starts again when code, templates or styles change."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from uvicorn.supervisors.statreload import StatReload

from app import logs
from app.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
WATCHED = {"app": ("*.py",), "templates": ("*.html",), "static": ("*.css", "*.js", "*.svg")}


class Reload(StatReload):
    """uvicorn's reloader, that looks at more than Python."""

    def iter_py_files(self) -> Iterator[Path]:
        for folder, patterns in WATCHED.items():
            for pattern in patterns:
                yield from (ROOT / folder).rglob(pattern)

    def restart(self) -> None:
        self.target = _serve_again  # which doesn't print another sign-in link
        super().restart()


def serve_and_reload(settings: Settings, listener: socket.socket) -> None:
    """Serve on the socket in child processes, one after the other, until a signal ends it."""
    os.environ["LATTICE_DEV"] = "true"
    config = uvicorn.Config("app.main:create_app", log_config=None, reload=True, reload_dirs=[str(ROOT / "app")])
    Reload(config, target=_serve_first, sockets=[listener]).run()


def _serve_first(sockets: list[socket.socket] | None) -> None:
    _serve(sockets, says_where=True)


def _serve_again(sockets: list[socket.socket] | None) -> None:
    _serve(sockets, says_where=False)


def _serve(sockets: list[socket.socket] | None, *, says_where: bool) -> None:
    from app.cli.serving import opened, run

    settings = load_settings()
    logs.configure(settings.lattice_log_level)
    with opened(settings) as site:
        run(site, (sockets or [])[0], says_where=says_where)
