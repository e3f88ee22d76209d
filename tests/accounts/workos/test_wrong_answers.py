"""Something else answers at WorkOS's address (an ingress, a proxy, a page of errors): nothing follows about anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from app.accounts.providers.renewal import Renewals
from app.accounts.workos import news
from app.accounts.workos.shapes import EventShape
from app.db import utcnow
from app.main import close_site, open_site
from app.site import Site
from app.workers.directory import DirectoryWorker
from tests.accounts.workos.conftest import LOGIN, Door, problem_of
from tests.accounts.workos.test_sessions import provider_of, settings_of, token_of
from tests.peers.workos import BOB

TEXT, HTML, JSON = "text/plain", "text/html", "application/json"
WRONG = [
    (404, TEXT, "default backend - 404"),
    (403, HTML, "<html><title>403 Forbidden</title></html>"),
    (200, HTML, "<html><title>Welcome to nginx!</title></html>"),
    (404, JSON, json.dumps({"message": "no Route matched with those values"})),
    (404, JSON, json.dumps({"status": 404, "error": "Not Found", "path": "/"})),
    (404, JSON, json.dumps("not_found")),
    (500, TEXT, "Internal Server Error"),
]


@contextmanager
def answering(port: int, status: int, kind: str, text: str) -> Iterator[None]:
    """A server that answers everything with that."""

    class Same(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("localhost", port), Same)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def opened(door: Door) -> Iterator[Site]:
    site = open_site(settings_of(door))
    try:
        yield site
    finally:
        close_site(site)


def note_event(site: Site, organization_id: str) -> None:
    with site.db.write() as db:
        news.note(db, EventShape(id="event_1", event="organization.updated", data={"id": organization_id}), utcnow())


def test_what_is_not_workoss_word_ends_nothing(door: Door) -> None:
    bob = door.sign_in(BOB)
    secret = bob.post("/api/v1/api-keys", json={"name": "k"}).json()["secret"]
    door.server.stop()
    door.workos.stop()
    with opened(door) as site:
        token = token_of(site.db)
        note_event(site, door.lab)
        for hours, answer in enumerate(WRONG, start=2):  # by then it is time to renew, again
            later = utcnow() + timedelta(hours=hours)
            with answering(door.workos.port, *answer):
                Renewals(site, provider_of(site), clock=lambda later=later: later).look(token.session_id)  # type: ignore[misc]
                DirectoryWorker(site, provider_of(site)).round()
    door.server.start()
    assert door.me(bob) is not None
    assert door.server.client(Authorization=f"Bearer {secret}").get("/api/v1/auth/me").status_code == 200


def test_what_is_not_workoss_word_lets_nobody_in(door: Door) -> None:
    waiting = [door.browser() for _ in WRONG]
    back = [door.callback(browser) for browser in waiting]
    door.workos.stop()
    for browser, url, answer in zip(waiting, back, WRONG, strict=True):
        with answering(door.workos.port, *answer):
            assert problem_of(browser.get(url)) == "unreachable", answer
            assert door.me(browser) is None
            assert problem_of(door.browser().get(LOGIN)) == "unreachable", answer
            assert "WorkOS can&#39;t be reached" in door.browser().get("/sign-in").text
