"""Jobs below HTTP: submitted as the service does, and read as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import select

from app.accounts import queries as accounts
from app.accounts import service as account_service
from app.db import utcnow
from app.jobs import service
from app.jobs.models import Attempt, Job, JobState, JobTotal
from app.jobs.queries import Reader
from app.jobs.spec import JobSubmit
from app.pools.models import NodePool
from app.site import Site
from app.web.action import Role
from app.web.ask import Actor


@dataclass(frozen=True, slots=True)
class Home:
    """The first organization, its pool, an admin and a member."""

    organization_id: str
    pool_id: str
    admin_id: str
    member_id: str

    def actor(self, user_id: str | None = None, name: str = "Ada") -> Actor:
        return Actor(organization_id=self.organization_id, kind="user", user_id=user_id or self.admin_id, name=name)

    def reader(self, user_id: str | None = None, *, is_admin: bool = True) -> Reader:
        return Reader(self.organization_id, user_id or self.admin_id, is_admin)


def make_home(site: Site) -> Home:
    with site.db.write() as db:
        organization = accounts.first_organization(db)
        assert organization is not None
        admin = accounts.first_admin(db, organization.id)
        assert admin is not None
        account_service.add_member(
            db,
            organization_id=organization.id,
            email="max@lab.test",
            role=Role.MEMBER,
            name="Max",
            actor=Actor.system(organization.id),
            now=utcnow(),
        )
        member = accounts.user_by_email(db, "max@lab.test")
        pool = db.exec(select(NodePool)).one()
        assert member is not None
        return Home(organization.id, pool.id, admin.id, member.id)


def submit(site: Site, home: Home, run: str = "true", owner_id: str | None = None, **spec: Any) -> str:
    """Queue a job; its id. It asks for a tenth of a CPU and of a GiB unless `resources` says otherwise."""
    spec.setdefault("resources", {"cpus": 0.1, "memory": 0.1})
    body = JobSubmit.model_validate({"run": run, **spec})
    owner = home.reader(owner_id or home.admin_id, is_admin=owner_id in {None, home.admin_id})
    with site.db.write() as db:
        pool = service.pool_for(db, home.organization_id, body.pool)
        return service.submit(db, body, pool, owner=owner, keyring=site.keyring, by=home.actor(owner.user_id)).id


def stop(site: Site, home: Home, job_id: str) -> bool:
    with site.db.write() as db:
        return service.stop(db, job_id, home.actor(), utcnow())


def job(site: Site, job_id: str) -> Job:
    with site.db.read() as db:
        found = db.get(Job, job_id)
        assert found is not None
        return found


def attempts(site: Site, job_id: str) -> list[Attempt]:
    with site.db.read() as db:
        return sorted(db.exec(select(Attempt).where(Attempt.job_id == job_id)), key=lambda a: a.number)


def totals(site: Site) -> dict[JobState, int]:
    """The states that have any jobs, from the counters."""
    with site.db.read() as db:
        return {total.state: total.count for total in db.exec(select(JobTotal)) if total.count}
