"""Device sign-in: a terminal asks, a person decides, the terminal fetches its API key, once (RFC 8628).

The key is made when it is fetched, so that its text is never stored.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from app import events
from app.accounts import queries as account_queries
from app.accounts.devices import queries
from app.accounts.devices.codes import new_user_code
from app.accounts.devices.models import DeviceSignIn, DeviceState
from app.accounts.keys import service as keys
from app.accounts.models import ApiKey, User
from app.db import new_id
from app.web.action import Role, Scope
from app.web.ask import Actor, Principal
from app.web.identify import digest_of
from app.web.problems import Forbidden, Unavailable

CODE_LIFE = timedelta(minutes=10)
INTERVAL = 5  # seconds
SLOWEST = 60
MOST_WAITING = 5_000
EARLY = timedelta(seconds=0.5)  # a poll may come this much too soon, for the network's sake
DEFAULT_SCOPES = (Scope.COMPUTE_WRITE, Scope.STORAGE_WRITE)
DEFAULT_DAYS = 30


@dataclass(frozen=True, slots=True)
class NotGranted:
    """Why there is no key (yet): the code of RFC 8628 or RFC 6749, and a sentence."""

    error: str
    detail: str


@dataclass(frozen=True, slots=True)
class Granted:
    """The API key and its text, which is not kept."""

    key: ApiKey
    text: str


def begin(
    db: Session, *, client: str, host: str, scopes: list[Scope], days: int, ip: str, user_agent: str, now: datetime
) -> tuple[DeviceSignIn, str]:
    """A new sign-in and its device code, which is not kept. Unavailable while too many wait."""
    if queries.count_waiting(db, now) >= MOST_WAITING:
        raise Unavailable("Too many terminals wait to be let in; try again later.", headers={"Retry-After": "60"})
    user_code = new_user_code()
    while queries.is_taken(db, user_code):
        user_code = new_user_code()
    device_code = secrets.token_urlsafe(32)
    device = DeviceSignIn(
        id=new_id("dev"),
        digest=digest_of(device_code),
        user_code=user_code,
        client=client,
        host=host,
        ip=ip[:45],
        user_agent=user_agent[:300],
        scopes=",".join(scopes),
        days=days,
        state=DeviceState.PENDING,
        created_at=now,
        expires_at=now + CODE_LIFE,
        interval=INTERVAL,
    )
    db.add(device)
    return device, device_code


def approve(db: Session, device: DeviceSignIn, me: Principal, *, scopes: list[Scope], days: int, actor: Actor) -> None:
    """Let the terminal have an API key of this person, in the organization that they are in now."""
    device.state, device.scopes, device.days = DeviceState.APPROVED, ",".join(scopes), days
    _decide(db, device, me, actor, "device.approved")


def deny(db: Session, device: DeviceSignIn, me: Principal, *, actor: Actor) -> None:
    device.state = DeviceState.DENIED
    _decide(db, device, me, actor, "device.denied")


def _decide(db: Session, device: DeviceSignIn, me: Principal, actor: Actor, action: str) -> None:
    if me.key_id is not None:
        raise Forbidden("A person decides this in a browser, not an API key.")
    device.user_id, device.organization_id, device.role = me.user_id, me.organization_id, me.role
    db.add(device)
    asked = {"ip": device.ip, "user_agent": device.user_agent, "scopes": device.scope_list, "days": device.days}
    events.record(
        db, actor, action, subject_id=device.id, subject_name=key_name(device), data=asked, private_to=me.user_id
    )


def poll(db: Session, *, device_code: str, client: str, now: datetime) -> Granted | NotGranted:
    """What a terminal gets that asks whether it was let in. Whoever asks too soon has to wait longer from then on."""
    device = queries.by_digest(db, digest_of(device_code))
    if device is None or device.client != client or device.state is DeviceState.SPENT:
        return NotGranted("invalid_grant", "There is no such device code, or its key was fetched already.")
    if device.state is DeviceState.DENIED:
        return NotGranted("access_denied", "The request was denied.")
    if device.expires_at <= now:
        return NotGranted("expired_token", "The device code has expired; start again.")
    if device.state is DeviceState.APPROVED:
        return _hand_over(db, device, now)
    return _wait(db, device, now)


def _wait(db: Session, device: DeviceSignIn, now: datetime) -> NotGranted:
    too_soon = device.polled_at is not None and now - device.polled_at + EARLY < timedelta(seconds=device.interval)
    device.polled_at = now
    db.add(device)
    if not too_soon:
        return NotGranted("authorization_pending", "Nobody has approved this yet.")
    device.interval = min(device.interval + INTERVAL, SLOWEST)
    return NotGranted("slow_down", f"Ask every {device.interval} s at most.")


def _hand_over(db: Session, device: DeviceSignIn, now: datetime) -> Granted | NotGranted:
    """The key has the lesser of the person's roles: when they approved, and now."""
    assert device.user_id is not None and device.organization_id is not None
    member = account_queries.membership(db, device.organization_id, device.user_id)
    user = db.get(User, device.user_id)
    device.state = DeviceState.SPENT
    db.add(device)
    if member is None or user is None:
        return NotGranted("access_denied", "Whoever approved this is not a member any more.")
    key, text = keys.make_api_key(
        db,
        organization_id=device.organization_id,
        user_id=user.id,
        role=Role.ADMIN if member.role is Role.ADMIN and device.role is Role.ADMIN else Role.MEMBER,
        name=key_name(device),
        scopes=[scope.value for scope in device.scope_list],
        actor=Actor(organization_id=device.organization_id, kind="user", user_id=user.id, name=user.name, ip=device.ip),
        now=now,
        expires_at=now + timedelta(days=device.days),
    )
    return Granted(key, text)


def key_name(device: DeviceSignIn) -> str:
    """`lattice login on HOST`."""
    return (f"{device.client} login" + (f" on {device.host}" if device.host else ""))[:100]
