"""One server process from its settings to its end: schema, lock, port, uvicorn, and what it says to who starts it.

A one-time sign-in link goes to standard output alone, and not even there where that is the system's journal.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import anyio.to_thread
import uvicorn

from app import logs
from app.accounts import commands
from app.cli.http import BoundedHttp
from app.cli.refusals import Refusal
from app.cli.schema import bring_to_head, refuse_old_schema
from app.settings import Settings, load_settings
from app.site import Site

GRACE = 5  # seconds that open requests and downloads have at the end
BACKLOG = 2048


class Server(uvicorn.Server):
    """uvicorn, that says where it is once it listens, and has the streams end before it waits for what is open."""

    def __init__(
        self, config: uvicorn.Config, site: Site, end_streams: Callable[[], None], *, says_where: bool
    ) -> None:
        super().__init__(config)
        self.site = site
        self.end_streams = end_streams
        self.says_where = says_where

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.says_where:
            await anyio.to_thread.run_sync(announce, self.site)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.end_streams()
        await super().shutdown(sockets)


def serve(*, dev: bool, migrate: bool) -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = load_settings(**({"lattice_dev": True} if dev else {}))
    logs.configure(settings.lattice_log_level)
    if migrate:
        bring_to_head(settings)
    refuse_old_schema(settings)
    if settings.lattice_dev:
        from app.cli.reloading import serve_and_reload

        serve_and_reload(settings, listen(settings))
    else:
        with opened(settings) as site:
            run(site, listen(settings))


@contextmanager
def opened(settings: Settings) -> Iterator[Site]:
    from app.main import close_site, open_site

    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    site = open_site(settings)
    try:
        yield site
    finally:
        close_site(site)


def run(site: Site, listener: socket.socket, *, says_where: bool = True) -> None:
    """Serve on the socket until a signal ends it."""
    from app.main import create_app

    app = create_app(site)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHttp,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(site.settings.forwarded_allow_ips),
        timeout_graceful_shutdown=1 if site.settings.lattice_dev else GRACE,
        backlog=BACKLOG,
    )
    Server(config, site, app.state.house.streams.end, says_where=says_where).run(sockets=[listener])


def listen(settings: Settings) -> socket.socket:
    """A socket on HOST and PORT. Raises Refusal where another program has it."""
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except UnicodeError:
        raise Refusal(f"HOST {settings.host} is no host name or address.") from None
    except OSError as wrong:
        why = os.strerror(wrong.errno) if wrong.errno and wrong.errno > 0 else wrong.strerror
        raise Refusal(f"HOST {settings.host} and PORT {settings.port} can't be listened on: {why}.") from None


def announce(site: Site) -> None:
    """Say where to go, and how to sign in."""
    site.datadir.tell_address(site.settings.url)
    where, how = f"Lattice serves {site.settings.url}", ""
    if not site.settings.has_workos:
        how = f"\nTo sign in: {commands.sign_in_link()}"
        if not _is_journal():
            how = f"\nSign in once, within 15 minutes: {_new_link(site)}"
    print(where + how, flush=True)


def _new_link(site: Site) -> str:
    from app.accounts import queries, sign_in
    from app.accounts.service import ensure_home
    from app.db import utcnow

    with site.db.write() as db:
        admin = queries.first_admin(db, ensure_home(db).id)
        if admin is None:
            raise Refusal("The organization has no admin.")
        return sign_in.new_link(db, user=admin, base_url=site.settings.url, now=utcnow())


def _is_journal() -> bool:
    """Whether standard output goes to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        out = os.fstat(sys.stdout.fileno())
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{out.st_dev}:{out.st_ino}"


def _leave(_signal: int, _frame: object) -> NoReturn:
    """uvicorn raises its signal again after a graceful end: then, and before it serves, that is a normal exit."""
    sys.exit(0)
