"""A session after sign-in: renewed once, ended at both ends, and left alone while WorkOS is silent."""

from __future__ import annotations

import threading
from datetime import timedelta

import httpx2
from sqlmodel import select

from app.accounts.providers.models import SessionToken
from app.accounts.providers.renewal import Renewals
from app.accounts.workos.provider import WorkOSProvider
from app.db import Database, utcnow
from app.keyring import Sealed
from app.main import close_site, open_site
from app.settings import Settings
from app.site import Site
from tests.accounts.workos.conftest import Door, problem_of
from tests.peers.workos import ADA, BOB


def settings_of(door: Door) -> Settings:
    return Settings(
        _env_file=None,
        lattice_data_dir=door.server.data,
        port=door.server.port,
        auth_api_key=door.workos.settings["AUTH_API_KEY"],
        auth_client_id=door.workos.settings["AUTH_CLIENT_ID"],
        auth_base_url=door.workos.url,
    )


def token_of(db: Database) -> SessionToken:
    with db.read() as session:
        return session.exec(select(SessionToken)).one()


def provider_of(site: Site) -> WorkOSProvider:
    assert isinstance(site.provider, WorkOSProvider)
    return site.provider


def exchanges(door: Door) -> int:
    """How often WorkOS gave out tokens."""
    return len([e for e in door.workos.listed("events") if e["event"] == "authentication.oauth_succeeded"])


def test_signing_out_ends_the_session_at_both_ends(door: Door) -> None:
    browser = door.sign_in()
    assert door.workos.sessions(ADA)
    assert browser.post("/api/v1/auth/logout").headers["Location"] == "/sign-in"
    assert door.me(browser) is None
    door.wait(lambda: not door.workos.sessions(ADA), "the end of the session at WorkOS")


def test_ending_another_session_on_the_page_signs_that_browser_out(door: Door) -> None:
    here, there = door.sign_in(), door.sign_in()
    listed = here.get("/api/v1/settings/sessions").json()["items"]
    other = next(s for s in listed if not s["current"])
    assert here.post(f"/settings/sessions/{other['id']}", data={"_method": "DELETE"}).status_code == 303
    assert door.me(there) is None and door.me(here) is not None
    door.wait(lambda: len(door.workos.sessions(ADA)) == 1, "the end of one session at WorkOS")


def test_a_session_that_workos_ends_ends_here(door: Door) -> None:
    browser = door.sign_in(BOB)
    (there,) = door.workos.sessions(BOB)
    door.workos.ask("POST", "user_management/sessions/revoke", session_id=there["id"])
    door.wait(lambda: door.me(browser) is None, "the end of the session here")


def test_a_session_is_renewed_once_an_expiry_whoever_sees_that_it_is_time(door: Door) -> None:
    door.sign_in()
    door.server.stop()
    site = open_site(settings_of(door))
    try:
        seen, before = token_of(site.db), exchanges(door)
        later = utcnow() + timedelta(minutes=59, seconds=30)
        servers = [Renewals(site, provider_of(site), clock=lambda: later) for _ in range(6)]
        threads = [threading.Thread(target=server.look, args=(seen.session_id,)) for server in servers for _ in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        renewed = token_of(site.db)
        assert exchanges(door) == before + 1
        assert renewed.ciphertext != seen.ciphertext and renewed.leased_until is None
    finally:
        close_site(site)


def test_a_refresh_token_is_never_stored_as_it_is(door: Door) -> None:
    door.sign_in()
    door.server.stop()
    stored = b"".join(file.read_bytes() for file in door.server.data.glob("lattice.db*"))
    assert b"session_token" in stored and b"ref_" not in stored


def test_silence_of_workos_signs_nobody_out_and_lets_nobody_in(door: Door) -> None:
    browser, waiting = door.sign_in(), door.browser()
    back = door.callback(waiting, BOB)
    door.workos.stop()
    assert door.me(browser) is not None
    assert browser.get("/jobs").status_code == 200
    assert problem_of(waiting.get(back)) == "unreachable"
    assert door.me(waiting) is None
    refused = door.browser().get("/api/v1/auth/login")
    assert problem_of(refused) == "unreachable"
    page: httpx2.Response = door.browser().get("/sign-in")
    assert "WorkOS can&#39;t be reached" in page.text


def test_a_renewal_without_an_answer_leaves_the_session(door: Door) -> None:
    door.sign_in()
    door.server.stop()
    door.workos.stop()
    site = open_site(settings_of(door))
    try:
        seen = token_of(site.db)
        later = utcnow() + timedelta(hours=2)
        Renewals(site, provider_of(site), clock=lambda: later).look(seen.session_id)
        assert token_of(site.db).ciphertext == seen.ciphertext
    finally:
        close_site(site)


def test_a_renewal_whose_answer_was_lost_leaves_the_session_too(door: Door) -> None:
    door.sign_in()
    door.server.stop()
    site = open_site(settings_of(door))
    try:
        seen, later = token_of(site.db), utcnow() + timedelta(hours=2)
        provider = provider_of(site)
        provider.renew(site.keyring.decrypt(_sealed(seen)))  # WorkOS gave out another; nobody here kept it
        Renewals(site, provider, clock=lambda: later).look(seen.session_id)
        assert token_of(site.db).session_id == seen.session_id
        door.workos.ask("POST", "user_management/sessions/revoke", session_id=seen.external_session_id)
        much_later = later + timedelta(hours=1)
        Renewals(site, provider, clock=lambda: much_later).look(seen.session_id)
        with site.db.read() as db:
            assert db.exec(select(SessionToken)).first() is None
    finally:
        close_site(site)


def _sealed(token: SessionToken) -> Sealed:
    return Sealed(token.ciphertext, token.fingerprint)
