"""The directory of an installation with local sign-in: our rows are all there is, and an invitation is a link."""

from __future__ import annotations

from sqlmodel import Session

from app.accounts.directory import Invited
from app.accounts.invitations import service as invitations
from app.accounts.members import service as members
from app.accounts.models import Organization, User
from app.accounts.organizations import service as organizations
from app.web.action import Role
from app.web.ask import Ask


class LocalDirectory:
    """Each change is one transaction of the services."""

    async def create_organization(self, ask: Ask, name: str) -> str:
        def create(db: Session) -> str:
            founder = db.get(User, ask.principal.user_id)
            assert founder is not None
            return organizations.create(db, name=name, founder=founder, actor=ask.actor, now=ask.now).id

        return await ask.writing(create)

    async def rename_organization(self, ask: Ask, name: str) -> None:
        def rename(db: Session) -> None:
            organization = db.get(Organization, ask.organization_id)
            assert organization is not None
            organizations.rename(db, organization, name, actor=ask.actor)

        await ask.writing(rename)

    async def invite(self, ask: Ask, email: str, role: Role) -> Invited:
        def invite(db: Session) -> Invited:
            made, token = invitations.invite(db, ask.organization_id, email, role, actor=ask.actor, now=ask.now)
            return Invited(made.id, _link(ask, token))

        return await ask.writing(invite)

    async def resend(self, ask: Ask, invitation_id: str) -> Invited:
        def resend(db: Session) -> Invited:
            sent, token = invitations.resend(db, ask.organization_id, invitation_id, actor=ask.actor, now=ask.now)
            return Invited(sent.id, _link(ask, token))

        return await ask.writing(resend)

    async def revoke(self, ask: Ask, invitation_id: str) -> None:
        def revoke(db: Session) -> None:
            invitations.revoke(db, ask.organization_id, invitation_id, actor=ask.actor, now=ask.now)

        await ask.writing(revoke)

    async def set_role(self, ask: Ask, membership_id: str, role: Role) -> None:
        def set_role(db: Session) -> None:
            members.set_role(db, ask.organization_id, membership_id, role, actor=ask.actor, now=ask.now)

        await ask.writing(set_role)

    async def remove_member(self, ask: Ask, membership_id: str) -> None:
        def remove(db: Session) -> None:
            members.remove(db, ask.organization_id, membership_id, actor=ask.actor, now=ask.now)

        await ask.writing(remove)


def _link(ask: Ask, token: str) -> str:
    return f"{ask.settings.url}/join?token={token}"
