"""The directory where WorkOS keeps organizations, memberships and invitations, and our rows mirror them.

A change is first tried against our rules in a transaction that is taken back, then made at WorkOS, then written here.
An admin who is to go steps down here first, so that two who go at once don't leave WorkOS with nobody.
What WorkOS does not keep (an organization from before, its members) is changed here alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from sqlmodel import Session

from app.accounts.directory import Directory, Invited
from app.accounts.invitations import service as invitations
from app.accounts.invitations.models import Invitation
from app.accounts.local_directory import LocalDirectory
from app.accounts.members import service as members
from app.accounts.models import Membership, Organization, User
from app.accounts.organizations import service as organizations
from app.accounts.providers import identities
from app.accounts.providers.protocol import ProviderUnreachable
from app.accounts.workos import mirror, news, snapshots
from app.accounts.workos.api import WorkOSRefused
from app.accounts.workos.mirrored_invitations import invitation_of
from app.accounts.workos.names import NAME
from app.accounts.workos.provider import WorkOSProvider
from app.accounts.workos.shapes import InvitationShape, MembershipShape, OrganizationShape, slug_of
from app.settings import Settings
from app.web.action import Role
from app.web.ask import Ask
from app.web.problems import Conflict, Unavailable

log = logging.getLogger("lattice.workos")
T = TypeVar("T")
ORGANIZATIONS = ("organizations",)
MEMBERSHIPS = ("user_management", "organization_memberships")
INVITATIONS = ("user_management", "invitations")


class _TakenBack(Exception):
    """Ends the transaction of a trial."""


class WorkOSDirectory:
    def __init__(self, provider: WorkOSProvider, settings: Settings) -> None:
        self._provider = provider
        self._settings = settings
        self._local: Directory = LocalDirectory()
        self._api = provider.api

    async def create_organization(self, ask: Ask, name: str) -> str:
        subject = await ask.reading(lambda db: identities.subject_of(db, NAME, ask.principal.user_id))
        if subject is None:
            raise Conflict("Organizations are made at WorkOS; sign in with it to make one.")
        await self._try(ask, lambda db: organizations.create(
            db, name=name, founder=_person(db, ask), actor=ask.actor, now=ask.now
        ))  # fmt: skip
        made, membership = await self._call(lambda: self._found(name, subject))

        def take(db: Session) -> str:
            organization = mirror.organization_of(db, made.id) or organizations.create(
                db, name=name, founder=_person(db, ask), actor=ask.actor, now=ask.now
            )
            organization.external_id = made.id
            db.add(organization)
            db.flush()
            mirror.take_membership(db, organization, _person(db, ask), membership.named(name), ask.now)
            return organization.id

        return await ask.writing(take)

    def _found(self, name: str, subject: str) -> tuple[OrganizationShape, MembershipShape]:
        made = self._api.post(OrganizationShape, *ORGANIZATIONS, body={"name": name})
        body = {"organization_id": made.id, "user_id": subject, "role_slug": slug_of(Role.ADMIN)}
        try:
            return made, self._api.post(MembershipShape, *MEMBERSHIPS, body=body)
        except (WorkOSRefused, ProviderUnreachable):
            self._api.do("DELETE", *ORGANIZATIONS, made.id)  # an organization without anybody is of no use
            raise

    async def rename_organization(self, ask: Ask, name: str) -> None:
        external_id = await self._external_organization(ask)
        if external_id is not None:
            await self._call(lambda: self._api.do("PUT", *ORGANIZATIONS, external_id, body={"name": name}))
        await self._local.rename_organization(ask, name)

    async def invite(self, ask: Ask, email: str, role: Role) -> Invited:
        external_id = await self._external_organization(ask)
        if external_id is None:
            raise Conflict("This organization is not kept at WorkOS, so nobody can be invited into it.")
        await self._try(
            ask, lambda db: invitations.invite(db, ask.organization_id, email, role, actor=ask.actor, now=ask.now)
        )
        inviter = await ask.reading(lambda db: identities.subject_of(db, NAME, ask.principal.user_id))
        body = {
            "email": email.strip().lower(),
            "organization_id": external_id,
            "role_slug": slug_of(role),
            **({"inviter_user_id": inviter} if inviter else {}),
        }
        sent = await self._call(lambda: self._api.post(InvitationShape, *INVITATIONS, body=body))

        def keep(db: Session) -> Invited:
            mirrored = invitation_of(db, sent.id)
            if mirrored is not None:
                return Invited(mirrored.id, None)
            made, _ = invitations.invite(db, ask.organization_id, email, role, actor=ask.actor, now=ask.now)
            return _kept_there(db, made, sent)

        try:
            return await ask.writing(keep)
        except Conflict:  # another came first, or the person did: this one must let nobody in
            await self._withdraw(sent.id)
            raise

    async def _withdraw(self, external_id: str) -> None:
        """Revoke at WorkOS what is not kept here; where that fails, the mirror finds it."""
        try:
            await self._provider.peer.call(lambda: snapshots.revoke_invitation(self._api, external_id))
        except (ProviderUnreachable, Unavailable) as failed:
            log.warning("an invitation that came second is not revoked yet: %s", failed)

    async def resend(self, ask: Ask, invitation_id: str) -> Invited:
        external_id = await self._external_invitation(ask, invitation_id)
        if external_id is None:
            return await self._local.resend(ask, invitation_id)
        await self._try(
            ask, lambda db: invitations.resend(db, ask.organization_id, invitation_id, actor=ask.actor, now=ask.now)
        )
        path = (*INVITATIONS, external_id, "resend")
        sent = await self._call(lambda: self._api.post(InvitationShape, *path, body={}))

        def keep(db: Session) -> Invited:
            again, _ = invitations.resend(db, ask.organization_id, invitation_id, actor=ask.actor, now=ask.now)
            return _kept_there(db, again, sent)

        return await ask.writing(keep)

    async def revoke(self, ask: Ask, invitation_id: str) -> None:
        external_id = await self._external_invitation(ask, invitation_id)
        if external_id is not None:
            await self._try(
                ask, lambda db: invitations.revoke(db, ask.organization_id, invitation_id, actor=ask.actor, now=ask.now)
            )
            await self._call(lambda: self._api.do("POST", *INVITATIONS, external_id, "revoke", body={}))
        await self._local.revoke(ask, invitation_id)

    async def set_role(self, ask: Ask, membership_id: str, role: Role) -> None:
        kept = await self._external_membership(ask, membership_id)
        if kept is None:
            return await self._local.set_role(ask, membership_id, role)
        body = {"role_slug": slug_of(role)}

        def put() -> None:
            self._api.do("PUT", *MEMBERSHIPS, kept, body=body)

        if role is Role.ADMIN:
            await self._call(put)
        else:
            await self._stepping_down(ask, membership_id, put)

        def set_role(db: Session) -> None:
            members.set_role(
                db, ask.organization_id, membership_id, role, actor=ask.actor, now=ask.now, even_the_last=True
            )
            _look_again(db, ask)

        await ask.writing(set_role)

    async def remove_member(self, ask: Ask, membership_id: str) -> None:
        kept = await self._external_membership(ask, membership_id)
        if kept is None:
            return await self._local.remove_member(ask, membership_id)
        await self._stepping_down(ask, membership_id, lambda: self._delete(kept))

        def remove(db: Session) -> None:
            if db.get(Membership, membership_id) is not None:  # else news from WorkOS came first
                members.remove(db, ask.organization_id, membership_id, actor=ask.actor, now=ask.now, even_the_last=True)
            _look_again(db, ask)

        return await ask.writing(remove)

    def _delete(self, external_id: str) -> None:
        try:
            self._api.do("DELETE", *MEMBERSHIPS, external_id)
        except WorkOSRefused as refused:
            if refused.status != 404:  # else it is what was wanted
                raise

    async def _stepping_down(self, ask: Ask, membership_id: str, work: Callable[[], None]) -> None:
        """Call WorkOS to take somebody away who, if they are an admin, has stepped down. A refusal lets them stay one.

        After silence they don't count for a while, since WorkOS may have heard.
        """
        await ask.writing(lambda db: members.step_down(db, ask.organization_id, membership_id, now=ask.now))
        try:
            await self._call(work)
        except Conflict:
            await ask.writing(lambda db: members.stay(db, membership_id))
            raise

    async def _try(self, ask: Ask, change: Callable[[Session], object]) -> None:
        """Raise what the change would raise, and change nothing."""

        def attempt(db: Session) -> None:
            change(db)
            raise _TakenBack

        try:
            await ask.writing(attempt)
        except _TakenBack:
            return

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            return await self._provider.peer.call(work)
        except ProviderUnreachable as silent:
            raise Unavailable(f"{silent} Nothing was changed; try again.", headers={"Retry-After": "5"}) from silent
        except WorkOSRefused as refused:
            log.warning("a change was refused: %s", refused)
            raise Conflict(f"WorkOS did not accept this change: {refused}") from refused

    async def _external_organization(self, ask: Ask) -> str | None:
        organization = await ask.reading(lambda db: db.get(Organization, ask.organization_id))
        return organization.external_id if organization else None

    async def _external_invitation(self, ask: Ask, invitation_id: str) -> str | None:
        invitation = await ask.reading(lambda db: db.get(Invitation, invitation_id))
        ours = invitation is not None and invitation.organization_id == ask.organization_id
        return invitation.external_id if invitation and ours else None

    async def _external_membership(self, ask: Ask, membership_id: str) -> str | None:
        member = await ask.reading(lambda db: db.get(Membership, membership_id))
        ours = member is not None and member.organization_id == ask.organization_id
        return member.external_id if member and ours else None


def _person(db: Session, ask: Ask) -> User:
    user = db.get(User, ask.principal.user_id)
    assert user is not None
    return user


def _kept_there(db: Session, invitation: Invitation, sent: InvitationShape) -> Invited:
    """WorkOS mails the link and keeps it: ours admits nobody."""
    invitation.external_id, invitation.digest = sent.id, None
    invitation.expires_at = sent.expires_at
    db.add(invitation)
    return Invited(invitation.id, None)


def _look_again(db: Session, ask: Ask) -> None:
    """What ended here with a membership, such as invitations, ends there; news of the change may have come before."""
    organization = db.get(Organization, ask.organization_id)
    if organization is not None and organization.external_id is not None:
        news.look_again(db, organization.external_id, ask.now)
        ask.wake("directory")
