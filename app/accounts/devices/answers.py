"""What the device sign-in's Actions answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.accounts.keys.answers import ScopeView
from app.web.action import Scope


@dataclass(frozen=True, slots=True)
class DeviceCodes:
    """RFC 8628, section 3.2. Times are in seconds."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


@dataclass(frozen=True, slots=True)
class DeviceToken:
    """RFC 6749, section 5.1: the API key, shown this once, and what it is called here."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    key_id: str
    name: str


@dataclass(frozen=True, slots=True)
class WaitingDevice:
    """Who asks: what it calls itself, which nobody has checked, and from where, which the server saw."""

    client: str
    host: str
    ip: str
    user_agent: str
    created_at: datetime
    expires_at: datetime
    key_name: str
    scopes: list[Scope]
    days: int


@dataclass(frozen=True, slots=True)
class DeviceView:
    """The page. `state`: `ask` (type a code), `unknown` (no such code), `confirm`, `approved`, `denied`."""

    state: str
    code: str
    device: WaitingDevice | None
    allowed: list[ScopeView]
