"""The worker that keeps our mirror of WorkOS true: it looks where events point, and at everything now and then. It ends
there the sessions that ended here, and the invitations that can't be seen here. While WorkOS does not answer it changes
nothing and tries again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlmodel import col, select

from app.accounts.providers.models import ProviderEvent, SessionEnding
from app.accounts.providers.protocol import ProviderUnreachable
from app.accounts.workos import mirror, mirrored_invitations, news, snapshots
from app.accounts.workos.api import WorkOSRefused
from app.accounts.workos.mirror import Snapshot
from app.accounts.workos.provider import WorkOSProvider
from app.db import utcnow
from app.site import Site
from app.workers import lease
from app.workers.loop import is_due

log = logging.getLogger("lattice.workos")
ALL_EVERY = timedelta(minutes=5)
RETRY = timedelta(seconds=10)  # after silence
KEEP = timedelta(days=7)  # events: WorkOS sends one again for at most three days
BATCH = 50


class DirectoryWorker:
    """The worker `directory`; one at a time on a database."""

    name = "directory"
    rest = 1.0

    def __init__(self, site: Site, provider: WorkOSProvider, *, clock: Callable[[], datetime] = utcnow) -> None:
        self._site = site
        self._clock = clock
        self._db = site.db
        self._provider = provider
        self._held: lease.Held | None = None
        self._all_at: datetime | None = None
        self._not_before: datetime | None = None

    def round(self) -> float:
        now = self._clock()
        if self._not_before is not None and now < self._not_before:
            return 1.0
        self._held = lease.keep(self._db, self._held, self.name, self._site.datadir.host_id)
        if self._held is None:
            return 1.0
        try:
            self._work(now)
            self._not_before = None
        except (ProviderUnreachable, WorkOSRefused) as failed:
            log.info("the mirror of WorkOS waits: %s", failed)
            self._not_before = now + RETRY
        return 1.0

    def _work(self, now: datetime) -> None:
        if self._provider.trouble is not None:
            self._provider.reach()
        self._end_sessions()
        self._look_where_events_point(now)
        if is_due(self._all_at, now, ALL_EVERY):
            self._look_at_all()
            self._forget(now - KEEP)
            self._all_at = now

    def _end_sessions(self) -> None:
        with self._db.read() as db:
            endings = db.exec(select(SessionEnding).order_by(col(SessionEnding.created_at)).limit(BATCH)).all()
        for ending in endings:
            self._provider.end_session(ending.external_session_id)
            with self._db.write() as db:
                db.connection().execute(
                    delete(SessionEnding).where(col(SessionEnding.external_session_id) == ending.external_session_id)
                )

    def _look_where_events_point(self, now: datetime) -> None:
        with self._db.read() as db:
            events = news.waiting(db)
            organizations = news.organizations_in(db, events)
        if not events:
            return
        for organization_id in organizations:
            self._look_at(organization_id)
        with self._db.write() as db:
            news.end_sessions(db, events)
            news.done(db, events, now)

    def _look_at_all(self) -> None:
        listed = [organization.id for organization in snapshots.organizations(self._provider.api)]
        with self._db.read() as db:
            known = mirror.external_organizations(db)
        for organization_id in dict.fromkeys([*listed, *known]):
            self._look_at(organization_id)

    def _look_at(self, organization_id: str) -> None:
        """Ask for the organization's truth, with nothing open meanwhile, and write it down."""
        self._held = lease.keep(self._db, self._held, self.name, self._site.datadir.host_id)
        if self._held is None:
            return
        with self._db.read() as db:
            ours = mirror.organization_of(db, organization_id)
            known = list(mirror.memberships_in(db, ours)) if ours else []
        try:
            snapshot = snapshots.snapshot(self._provider.api, organization_id, known)
        except WorkOSRefused as refused:  # of this one nothing is known, and the others have their turn
            log.warning("WorkOS does not tell about %s: %s", organization_id[:100], refused)
            return
        if snapshot is None:
            if ours is None:
                return
            snapshot = Snapshot(organization_id, ours.name, (), (), tuple(known))  # it was deleted there
        with self._db.write() as db:
            lease.check(db, self._held)
            mirror.take_over(db, snapshot, self._site.settings, self._clock())
        self._revoke_surplus(snapshot)

    def _revoke_surplus(self, snapshot: Snapshot) -> None:
        """What was revoked here, by the mirror a moment ago too, and what can't be seen here, may let nobody in."""
        with self._db.read() as db:
            surplus = mirrored_invitations.surplus(db, snapshot.invitations, self._clock())
        for invitation_id in surplus:
            snapshots.revoke_invitation(self._provider.api, invitation_id)

    def _forget(self, until: datetime) -> None:
        with self._db.write() as db:
            old = (col(ProviderEvent.done_at).is_not(None)) & (col(ProviderEvent.received_at) < until)
            db.connection().execute(delete(ProviderEvent).where(old))
