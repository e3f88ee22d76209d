"""Device sign-in, as operations: two for the terminal (RFC 8628) and a page for the person."""

from __future__ import annotations

from typing import NoReturn

from app.accounts.devices import queries, service
from app.accounts.devices.answers import DeviceCodes, DeviceToken, DeviceView, WaitingDevice
from app.accounts.devices.bodies import DeviceDecision, DeviceQuery, DeviceRequest, TokenRequest
from app.accounts.devices.codes import normal, shown
from app.accounts.devices.models import DeviceSignIn
from app.accounts.devices.service import DEFAULT_SCOPES, Granted, NotGranted
from app.accounts.keys.actions import list_allowed_scopes
from app.accounts.keys.service import normalize_scopes
from app.web.action import Action, Kind, Limit, Mount, Scope
from app.web.ask import Ask
from app.web.problems import BadRequest, Invalid

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
NO_SUCH_CODE = "No terminal waits under this code: it may be mistyped, or ten minutes old."


def ask_for_device_code(ask: Ask, body: DeviceRequest) -> DeviceCodes:
    """Begin to sign a terminal in: a code for it to poll with, and one for a person to type."""
    if not body.client_id:
        _refuse("invalid_request", "client_id is missing: name the program that asks.")
    device, device_code = service.begin(
        ask.db,
        client=body.client_id,
        host=body.host,
        scopes=_scopes(body.scope),
        days=body.days,
        ip=ask.ip,
        user_agent=ask.user_agent,
        now=ask.now,
    )
    page, code = f"{ask.settings.url}/device", shown(device.user_code)
    life = int(service.CODE_LIFE.total_seconds())
    return DeviceCodes(device_code, code, page, f"{page}?user_code={code}", life, device.interval)


def _scopes(scope: str | None) -> list[Scope]:
    if scope is None:
        return list(DEFAULT_SCOPES)
    try:
        return normalize_scopes(scope.split())
    except Invalid as wrong:
        _refuse("invalid_scope", wrong.detail)


async def fetch_device_token(ask: Ask, body: TokenRequest) -> DeviceToken:
    """Ask whether a person has approved, and fetch the API key, once.

    A relay, though it calls no peer: what a refused poll changes (the pace) has to be kept, and a plain write that is
    refused keeps nothing.
    """
    if body.grant_type != GRANT:
        _refuse("unsupported_grant_type", f"grant_type is not {GRANT}.")
    if not body.device_code or not body.client_id:
        _refuse("invalid_request", "device_code and client_id are both needed.")
    found: Granted | NotGranted = await ask.writing(
        lambda db: service.poll(db, device_code=body.device_code, client=body.client_id, now=ask.now)
    )
    if isinstance(found, NotGranted):
        _refuse(found.error, found.detail)
    key = found.key
    life = int((key.expires_at - ask.now).total_seconds()) if key.expires_at else 0
    return DeviceToken(found.text, "Bearer", life, " ".join(key.scope_list), key.id, key.name)


def _refuse(error: str, detail: str) -> NoReturn:
    """OAuth's error document (RFC 6749, section 5.2), as members of a problem document."""
    raise BadRequest(detail, members={"error": error, "error_description": detail})


def show_device(ask: Ask) -> DeviceView:
    typed: str = ask.query.user_code
    code = normal(typed)
    device = queries.waiting(ask.db, code, ask.now) if code else None
    if device is None:
        return _view(ask, "unknown" if typed else "ask", typed)
    return _view(ask, "confirm", shown(device.user_code), device)


def decide_device(ask: Ask, body: DeviceDecision) -> DeviceView:
    """Let the terminal that shows this code have an API key of whoever is signed in, or refuse it."""
    code = normal(body.user_code)
    device = queries.waiting(ask.db, code, ask.now) if code else None
    if device is None:
        raise Invalid.field("user_code", NO_SUCH_CODE)
    if body.decision == "deny":
        service.deny(ask.db, device, ask.principal, actor=ask.actor)
        return _view(ask, "denied", shown(device.user_code), device)
    scopes = normalize_scopes(body.scopes)
    service.approve(ask.db, device, ask.principal, scopes=scopes, days=body.days, actor=ask.actor)
    return _view(ask, "approved", shown(device.user_code), device)


def _view(ask: Ask, state: str, code: str, device: DeviceSignIn | None = None) -> DeviceView:
    return DeviceView(state, code, _seen(device) if device else None, list_allowed_scopes(ask).items)


def _seen(d: DeviceSignIn) -> WaitingDevice:
    return WaitingDevice(
        d.client, d.host, d.ip, d.user_agent, d.created_at, d.expires_at, service.key_name(d), d.scope_list, d.days
    )


ACTIONS = [
    Action(
        "POST", "/auth/device", ask_for_device_code, public=True, body=DeviceRequest, forms=True,
        limit=Limit.DEVICE_CODES, mount=Mount.JSON,
    ),
    Action(
        "POST", "/auth/device/token", fetch_device_token, public=True, body=TokenRequest, forms=True,
        limit=Limit.DEVICE_POLLS, kind=Kind.RELAY, mount=Mount.JSON,
    ),
    Action(
        "GET", "/device", show_device, query=DeviceQuery, limit=Limit.USER_CODES, page="device.html", mount=Mount.HTML
    ),
    Action(
        "POST", "/device", decide_device, body=DeviceDecision, limit=Limit.USER_CODES, page="device.html",
        form="/device", mount=Mount.HTML,
    ),
]  # fmt: skip
