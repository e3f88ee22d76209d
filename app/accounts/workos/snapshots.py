"""Asking WorkOS for the whole truth of an organization. Blocking, for workers; no transaction is open meanwhile."""

from __future__ import annotations

import logging

from app.accounts.providers.protocol import Person, RemoteMembership
from app.accounts.workos.api import Api, WorkOSRefused
from app.accounts.workos.mirror import Snapshot
from app.accounts.workos.shapes import InvitationShape, MembershipShape, OrganizationShape, UserShape

log = logging.getLogger("lattice.workos")


def organizations(api: Api) -> list[OrganizationShape]:
    """Oldest first."""
    return api.all(OrganizationShape, "organizations")


def snapshot(api: Api, organization_id: str, known: list[str]) -> Snapshot | None:
    """The organization as it is now; None where there is none. `known`: WorkOS's ids of memberships that we have."""
    try:
        organization = api.get(OrganizationShape, "organizations", organization_id)
    except WorkOSRefused as refused:
        if refused.status == 404:
            return None
        raise
    kept = [m for m in _memberships(api, organization_id) if m.status == "active"]
    people = _people(api, organization_id, kept)
    present = {m.id for m in kept}
    return Snapshot(
        organization.id,
        organization.shown,
        tuple((_named(m, organization), people[m.user_id]) for m in kept if m.user_id in people),
        tuple(api.all(InvitationShape, "user_management", "invitations", organization_id=organization_id)),
        ended(api, [m for m in known if m not in present]),
        tuple(known),
    )


def ended(api: Api, membership_ids: list[str]) -> tuple[str, ...]:
    """Those that are no more. Each is asked after by itself: a list may be older than what was just made."""
    return tuple(m for m in membership_ids if not _is_active(api, m))


def revoke_invitation(api: Api, invitation_id: str) -> None:
    """One that was accepted or revoked meanwhile is no error."""
    try:
        api.do("POST", "user_management", "invitations", invitation_id, "revoke", body={})
    except WorkOSRefused as refused:
        log.info("an invitation had ended at WorkOS: %s", refused)


def _memberships(api: Api, organization_id: str) -> list[MembershipShape]:
    return api.all(MembershipShape, "user_management", "organization_memberships", organization_id=organization_id)


def _people(api: Api, organization_id: str, kept: list[MembershipShape]) -> dict[str, Person]:
    users = api.all(UserShape, "user_management", "users", organization_id=organization_id)
    people = {user.id: user.person for user in users}
    for missing in {m.user_id for m in kept} - set(people):
        try:
            people[missing] = api.get(UserShape, "user_management", "users", missing).person
        except WorkOSRefused:
            continue  # deleted between the two lists
    return people


def _named(membership: MembershipShape, organization: OrganizationShape) -> RemoteMembership:
    return membership.named(organization.shown)


def _is_active(api: Api, membership_id: str) -> bool:
    try:
        found = api.get(MembershipShape, "user_management", "organization_memberships", membership_id)
    except WorkOSRefused as refused:
        if refused.status == 404:
            return False
        raise
    return found.status == "active"
