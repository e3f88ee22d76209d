"""Signing in elsewhere and coming back, as operations. A sign-in that fails leads to the page that says why."""

from __future__ import annotations

import logging
from typing import Annotated
from urllib.parse import urlencode

from pydantic import ConfigDict, StringConstraints
from sqlmodel import Session

from app.accounts.models import SignInSession
from app.accounts.providers import tokens
from app.accounts.providers.admission import admit
from app.accounts.providers.protocol import Arrival, Reason, RemoteProvider, SignInRefused
from app.accounts.providers.round_trip import COOKIE, LIFE, PATH, RoundTrip, RoundTrips
from app.accounts.service import SESSION_LIFE
from app.web.action import Action, Kind, Limit, Mount
from app.web.ask import Ask, NewCookie, OtherCookie
from app.web.fields import own_path
from app.web.query import Query

log = logging.getLogger("lattice.accounts")
Long = Annotated[str, StringConstraints(max_length=2000)]


class LoginQuery(Query):
    model_config = ConfigDict(extra="ignore")  # a provider that begins the sign-in adds fields of its own

    next: Long = "/"
    login_hint: Annotated[str, StringConstraints(max_length=254)] = ""


class CallbackQuery(Query):
    model_config = ConfigDict(extra="ignore")  # what is not known is to be passed over (RFC 6749, 4.1.2)

    code: Long = ""
    state: Long = ""
    error: Annotated[str, StringConstraints(max_length=200)] = ""
    error_description: Long = ""


async def begin_login(ask: Ask) -> None:
    """Lead to where one signs in: the identity provider, or our own page of one-time links."""
    going_to = own_path(ask.query.next) or "/"
    try:
        departure = await ask.site.provider.depart(going_to, ask.query.login_hint)
    except SignInRefused as refused:
        return _explain(ask, refused, going_to)
    if departure.state:
        trip = RoundTrip(departure.state, departure.verifier, going_to)
        value = RoundTrips(ask.site.cookie_passwords).sign(trip)
        ask.other_cookies[COOKIE] = OtherCookie(value=value, path=PATH, max_age=LIFE)
    ask.next = departure.url


async def finish_login(ask: Ask) -> None:
    """Where the identity provider sends the browser back to; it begins our session, or says why there is none."""
    provider = ask.site.provider
    if not isinstance(provider, RemoteProvider):
        ask.next = "/sign-in"
        return
    ask.other_cookies[COOKIE] = OtherCookie(value=None, path=PATH)
    going_to = "/"
    try:
        trip = RoundTrips(ask.site.cookie_passwords).returned(ask.cookies.get(COOKIE), ask.query.state)
        going_to = trip.going_to
        arrival = await _arrive(ask, provider, trip)
        session = await _let_in(ask, provider, arrival)
    except SignInRefused as refused:
        return _explain(ask, refused, going_to)
    ask.cookie = NewCookie(session_id=session.id, max_age=int(SESSION_LIFE.total_seconds()))
    ask.next = going_to


async def _arrive(ask: Ask, provider: RemoteProvider, trip: RoundTrip) -> Arrival:
    q: CallbackQuery = ask.query
    if q.error or not q.code:
        raise SignInRefused(Reason.DENIED, f"{q.error} {q.error_description}")
    return await provider.arrive(q.code, trip.verifier, ip=ask.ip, user_agent=ask.user_agent)


async def _let_in(ask: Ask, provider: RemoteProvider, arrival: Arrival) -> SignInSession:
    def let_in(db: Session) -> SignInSession:
        return admit(
            db, ask.site.keyring, provider, arrival, ip=ask.ip, user_agent=ask.user_agent, now=ask.now,
            instead_of=ask.someone.session_id if ask.someone else None,
        )  # fmt: skip

    ask.wake("directory")
    try:
        return await ask.writing(let_in)
    except SignInRefused:
        # or the next try would come back as the same person at once
        await ask.writing(lambda db: tokens.note_ending(db, arrival.tokens.session_id, ask.now))
        raise


def _explain(ask: Ask, refused: SignInRefused, going_to: str) -> None:
    log.info("a sign-in failed (%s): %s", refused.reason, refused)
    ask.next = "/sign-in?" + urlencode({"problem": refused.reason, "next": going_to})


ACTIONS = [
    Action(
        "GET",
        "/auth/login",
        begin_login,
        public=True,
        query=LoginQuery,
        kind=Kind.RELAY,
        mount=Mount.API_ONLY_PATH,
        then="/",
    ),
    Action(
        "GET",
        "/auth/callback",
        finish_login,
        public=True,
        limit=Limit.SIGN_IN,
        query=CallbackQuery,
        kind=Kind.RELAY,
        mount=Mount.API_ONLY_PATH,
        then="/",
    ),
]
