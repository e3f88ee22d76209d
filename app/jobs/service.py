"""Decisions about jobs: submit, stop, run again, change. Callers commit; workers make it true.

A request writes intent alone: a queued job is stopped at once, of any other it is noted that it should stop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import insert, select, update
from sqlmodel import Session

from app import events
from app.jobs import document
from app.jobs.holding import hold
from app.jobs.models import DOCUMENT, JOB, SECRET, Job, JobState, Visibility
from app.jobs.new_row import NewJobRow
from app.jobs.queries import Reader
from app.jobs.reasons import Reason, ReasonCode
from app.jobs.refusals import judge
from app.jobs.search import searchable
from app.jobs.sharing import team_to_share_with
from app.jobs.spec import JobSubmit, from_spec
from app.jobs.states import FINAL, HeldJob, Move, count, move
from app.keyring import Keyring, Sealed
from app.pools.known import KnownPool, facts_of, known_pool, known_pools
from app.web.ask import Actor
from app.web.problems import Invalid

AT_ONCE = 500  # rows of one statement

_INSERT_JOB, _INSERT_DOCUMENT, _INSERT_SECRET = insert(JOB), insert(DOCUMENT), insert(SECRET)


def pool_for(db: Session, organization_id: str, wanted: str | None) -> KnownPool:
    """The pool of that name or id, or the only one there is; raises Invalid."""
    pools = known_pools(db, organization_id)
    found = pools if wanted is None else [pool for pool in pools if wanted in (pool.name, pool.id)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(pool.name for pool in pools[:20]) or "none yet"
    what = "Choose a node pool" if wanted is None else f"There is no node pool {wanted[:63]!r}"
    raise Invalid.field("pool", f"{what}; there is {names}.")


def submit(db: Session, body: JobSubmit, pool: KnownPool, *, owner: Reader, keyring: Keyring, by: Actor) -> NewJobRow:
    """Queue the job. Raises Invalid, with a message for each field that the pool can't honour."""
    verdict = judge(body, facts_of(db, pool))
    if errors := verdict.refusals:
        raise Invalid(f"{errors[0].field}: {errors[0].message}", errors=errors)
    team = None if body.team is None else team_to_share_with(db, owner, body.team)
    new = NewJobRow.of(body, pool, verdict.needs, owner.user_id, team.id if team else None)
    connection = db.connection()
    connection.execute(_INSERT_JOB, new.columns())
    connection.execute(_INSERT_DOCUMENT, _document(new, body))
    if body.secrets:
        connection.execute(_INSERT_SECRET, list(_secrets(new.id, pool.organization_id, body, keyring)))
    count(db, {(pool.organization_id, pool.id, JobState.QUEUED): 1})
    events.record(
        db, by, "job.submitted", subject_id=new.id, subject_name=body.name,
        private_to=None if new.visibility is Visibility.ORGANIZATION else owner.user_id, shared_with=new.team_id,
    )  # fmt: skip
    return new


def _document(new: NewJobRow, body: JobSubmit) -> dict[str, Any]:
    return {
        "job_id": new.id, "organization_id": new.organization_id, "spec": orjson.dumps(new.spec).decode(),
        "text": searchable(body.name, body.run, body.setup),
    }  # fmt: skip


def _secrets(job_id: str, organization_id: str, body: JobSubmit, keyring: Keyring) -> Iterable[dict[str, str]]:
    for name, value in body.secret_values().items():
        sealed = keyring.encrypt(value)
        yield {
            "job_id": job_id, "organization_id": organization_id, "name": name, "ciphertext": sealed.ciphertext,
            "fingerprint": sealed.fingerprint,
        }  # fmt: skip


def rerun(db: Session, job: Job, *, owner: Reader, keyring: Keyring, by: Actor) -> NewJobRow:
    """Queue the same job once more, on the same pool, with its secrets."""
    kept = db.execute(select(SECRET.c.name, SECRET.c.ciphertext, SECRET.c.fingerprint).where(SECRET.c.job_id == job.id))
    secrets = {row.name: keyring.decrypt(Sealed(row.ciphertext, row.fingerprint)) for row in kept}
    pool = known_pool(db, job.pool_id)
    body = from_spec(document.spec_of(db, job), secrets)
    return submit(db, body, pool, owner=owner, keyring=keyring, by=by)


def stop(db: Session, job_id: str, by: Actor, now: datetime) -> bool:
    """Stop a queued job now, tell any other to stop; a second time, at once. False where nothing was left to change."""
    job = hold(db, [job_id])[job_id]
    if job.state is JobState.QUEUED:
        _stop_queued(db, [job], by, now)
        return True
    return job.state not in FINAL and bool(_tell(db, [job], by, now, again=True))


def stop_many(db: Session, jobs: Sequence[HeldJob], by: Actor, now: datetime, *, again: bool = False) -> int:
    """As `stop`, for jobs that are held; one that was told before is left as it is, but with `again` ends at once.

    How many were told now.
    """
    queued = [job for job in jobs if job.state is JobState.QUEUED]
    active = [job for job in jobs if job.state is not JobState.QUEUED and job.state not in FINAL]
    _stop_queued(db, queued, by, now)
    return len(queued) + len(_tell(db, active, by, now, again=again))


def _stop_queued(db: Session, jobs: Sequence[HeldJob], by: Actor, now: datetime) -> None:
    reason = Reason(ReasonCode.STOPPED_IN_QUEUE, {"by": by.name})
    intent = {"stop_requested_at": now, "stop_by": by.user_id}
    move(db, [Move(job=job, to=JobState.STOPPED, by=by, reason=reason, columns=intent) for job in jobs], now)


def _tell(db: Session, jobs: Sequence[HeldJob], by: Actor, now: datetime, *, again: bool) -> list[HeldJob]:
    """Note the intent on those jobs that don't have it; with `again`, hasten one that has. Those that changed."""
    ids = [job.id for job in jobs]
    told: dict[str, bool] = {}
    for begin in range(0, len(ids), AT_ONCE):
        some = ids[begin : begin + AT_ONCE]
        first = update(JOB).where(JOB.c.id.in_(some), JOB.c.stop_requested_at.is_(None))
        again_now = update(JOB).where(JOB.c.id.in_(some), JOB.c.stop_at_once.is_(False), JOB.c.stop_requested_at < now)
        if again:
            told |= _ids(db, again_now.values(stop_at_once=True), at_once=True)
        told |= _ids(db, first.values(stop_requested_at=now, stop_by=by.user_id), at_once=False)
    changed = [job for job in jobs if job.id in told]
    for job in changed:
        _record_told(db, job, by, at_once=told[job.id])
    return changed


def _ids(db: Session, statement: Any, *, at_once: bool) -> dict[str, bool]:
    return dict.fromkeys(db.connection().execute(statement.returning(JOB.c.id)).scalars().all(), at_once)


def _record_told(db: Session, job: HeldJob, by: Actor, *, at_once: bool) -> None:
    events.record(
        db, by, "job.stop_requested", subject_id=job.id, subject_name=job.name,
        private_to=job.owner_id if job.is_private else None, shared_with=job.shared_with,
        data={"at_once": True} if at_once else {},
    )  # fmt: skip


def change(db: Session, job: Job, values: dict[str, Any], by: Actor) -> None:
    """Set `name`, `priority` or `visibility` (with `team_id`)."""
    changed = {name: value for name, value in values.items() if getattr(job, name) != value}
    if not changed:
        return
    was, was_private = {name: getattr(job, name) for name in changed}, job.is_private
    columns = {**changed, **({"queue_rank": -changed["priority"]} if "priority" in changed else {})}
    db.connection().execute(update(JOB).where(JOB.c.id == job.id).values(columns))
    db.refresh(job)
    if "name" in changed:
        document.rename(db, job)
    told = {name.removesuffix("_id"): (was[name], now) for name, now in changed.items()}
    who_sees = {name: told.pop(name) for name in list(told) if name in {"visibility", "team"}}
    if told:  # what was private is told to nobody who could not see it then
        private = was_private or job.is_private
        _record_change(db, job, by, told, private=private, shared_with=None if who_sees else job.shared_with)
    if who_sees:
        _record_change(db, job, by, who_sees, private=job.is_private, shared_with=job.shared_with)


def _record_change(
    db: Session, job: Job, by: Actor, told: dict[str, tuple[Any, Any]], *, private: bool, shared_with: str | None
) -> None:
    events.record(
        db, by, "job.changed", subject_id=job.id, subject_name=job.name,
        private_to=job.owner_id if private else None, shared_with=shared_with, data=events.changes(**told),
    )  # fmt: skip


def refusal(job: HeldJob | None, reader: Reader, teams: Set[str]) -> str | None:
    """Why `reader`, who is in those teams, may not stop that job; a job that is not to be seen is not told of."""
    if job is None or job.organization_id != reader.organization_id:
        return "There is no such job here."
    if job.owner_id == reader.user_id or reader.is_admin:
        return None
    is_seen = not job.is_private or job.shared_with in teams
    return "Only its owner, or an admin, may stop it." if is_seen else "There is no such job here."
