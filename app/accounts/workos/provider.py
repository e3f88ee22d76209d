"""Sign-in with WorkOS AuthKit: where to go, who came back, and whether their session there goes on.

Its silence never says anything about anybody: only an answer ends a session or lets somebody in.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlmodel import Session

from app.accounts.models import User
from app.accounts.providers.protocol import (
    Arrival,
    Departure,
    ProviderUnreachable,
    Reason,
    RemoteMembership,
    SessionOver,
    SignInRefused,
    Tokens,
)
from app.accounts.workos import mirror
from app.accounts.workos.api import Api, WorkOSRefused
from app.accounts.workos.keys import Keys
from app.accounts.workos.names import LABEL, NAME
from app.accounts.workos.shapes import AuthenticationShape, MembershipShape, OrganizationShape, SessionShape
from app.settings import Settings
from app.web.peer import Peer
from app.web.problems import Unavailable

log = logging.getLogger("lattice.workos")
USED_UP = {"invalid_grant", "invalid_code", "expired_code"}
OVER = {"invalid_grant", "entity_not_found", "not_found"}  # the last two: the person was deleted


class WorkOSProvider:
    name = NAME
    label = LABEL

    def __init__(self, settings: Settings) -> None:
        self.api = Api(
            api_key=settings.auth_api_key, client_id=settings.auth_client_id, base_url=settings.auth_base_url
        )
        self.peer = Peer(self.label, at_once=8, seconds=12)
        self._keys = Keys(self.api)
        self._settings = settings

    @property
    def trouble(self) -> str | None:
        return self.api.trouble

    def reach(self) -> None:
        """Blocking. Raises ProviderUnreachable."""
        self._keys.reach()

    def close(self) -> None:
        self.peer.close()
        self.api.close()

    async def depart(self, going_to: str, login_hint: str) -> Departure:
        """To AuthKit, with PKCE (RFC 7636), once it is seen to be there."""
        try:
            await self.peer.call(self.reach)
        except (ProviderUnreachable, Unavailable) as silent:
            raise SignInRefused(Reason.UNREACHABLE, str(silent)) from silent
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        query = {
            "response_type": "code",
            "client_id": self.api.client_id,
            "redirect_uri": self._settings.redirect_uri,
            "provider": "authkit",
            "state": state,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
            **({"login_hint": login_hint} if login_hint else {}),
        }
        return Departure(f"{self.api.base_url}/user_management/authorize?{urlencode(query)}", state, verifier)

    async def arrive(self, code: str, verifier: str, *, ip: str, user_agent: str) -> Arrival:
        given = {"code": code, "code_verifier": verifier, "ip_address": ip, "user_agent": user_agent}
        try:
            return await self.peer.call(lambda: self._arrive(given))
        except (ProviderUnreachable, Unavailable) as silent:
            raise SignInRefused(Reason.UNREACHABLE, str(silent)) from silent
        except WorkOSRefused as refused:
            reason = Reason.EXPIRED if refused.code in USED_UP else Reason.REFUSED
            raise SignInRefused(reason, str(refused)) from refused

    def _arrive(self, given: dict[str, str]) -> Arrival:
        answer = self._authenticate("authorization_code", **given)
        tokens = self._tokens(answer)
        return Arrival(answer.user.person, self._memberships(answer.user.id), answer.organization_id, tokens)

    def _memberships(self, user_id: str) -> tuple[RemoteMembership, ...]:
        kept = self.api.all(MembershipShape, "user_management", "organization_memberships", user_id=user_id)
        return tuple(m.named(self._organization_name(m.organization_id)) for m in kept if m.status == "active")

    def _organization_name(self, organization_id: str) -> str:
        return self.api.get(OrganizationShape, "organizations", organization_id).shown

    def take_in(self, db: Session, arrival: Arrival, now: datetime) -> User | None:
        return mirror.take_arrival(db, arrival, self._settings, now)

    def organization_id(self, db: Session, external_id: str) -> str | None:
        organization = mirror.organization_of(db, external_id)
        return organization.id if organization else None

    def renew(self, refresh_token: str) -> Tokens:
        try:
            return self._tokens(self._authenticate("refresh_token", refresh_token=refresh_token))
        except WorkOSRefused as refused:
            if refused.code in OVER:
                raise SessionOver(str(refused)) from refused
            raise ProviderUnreachable(str(refused)) from refused
        except SignInRefused as bent:
            raise ProviderUnreachable(str(bent)) from bent

    def is_alive(self, subject: str, session_id: str) -> bool:
        try:
            listed = self.api.all(SessionShape, "user_management", "users", subject, "sessions")
        except WorkOSRefused as refused:
            if refused.status == 404:
                return False
            raise ProviderUnreachable(str(refused)) from refused
        return any(s.id == session_id and s.status == "active" for s in listed)

    def end_session(self, session_id: str) -> None:
        try:
            self.api.do("POST", "user_management", "sessions", "revoke", body={"session_id": session_id})
        except WorkOSRefused as refused:
            log.info("a session had ended at WorkOS: %s", refused)

    def _authenticate(self, grant_type: str, **given: Any) -> AuthenticationShape:
        body = {"client_id": self.api.client_id, **self.api.credential, "grant_type": grant_type, **given}
        return self.api.post(AuthenticationShape, "user_management", "authenticate", body=body)

    def _tokens(self, answer: AuthenticationShape) -> Tokens:
        claims = self._keys.verify(answer.access_token)
        if claims.subject != answer.user.id:
            raise SignInRefused(Reason.REFUSED, "the access token is another person's")
        return Tokens(claims.session_id, answer.refresh_token, claims.expires_at)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
