"""Jobs, as operations."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from app.accounts.members.choices import colleagues
from app.events import queries as event_queries
from app.events.answers import EventView
from app.events.following import Resumable, Resumed, start_of
from app.jobs import logs, matches, preview, queries, service, sharing, views
from app.jobs.answers import (
    JobCount,
    JobDetail,
    JobPreview,
    JobSummary,
    JobsWithCounts,
    JobTotals,
    JobWithLog,
    LogMatchPage,
    LogMatchView,
    NewJob,
    PoolChoice,
    StopResult,
)
from app.jobs.bodies import (
    JobFilters,
    JobQuery,
    JobStopMany,
    JobUpdate,
    LogMatchQuery,
    LogQuery,
    NewJobQuery,
    TaskText,
)
from app.jobs.document import spec_of
from app.jobs.following import watched
from app.jobs.holding import hold
from app.jobs.ids import ids_like
from app.jobs.models import Job, JobState
from app.jobs.queries import JobFilter, Reader
from app.jobs.search import MIN_LENGTH
from app.jobs.spec import JobSubmit
from app.jobs.states import FINAL
from app.jobs.task_fields import choices_of, to_form_fields
from app.jobs.task_yaml import dump_task, parse_task
from app.pools.known import has_fake_gpus, known_pool, known_pools
from app.pools.queries import pool_named
from app.stores.logs import LogState, LogStore
from app.web.action import Action, Kind, Limit, Mount, Scope
from app.web.ask import AfterCommit, Ask, FromStore
from app.web.bodies import YAML
from app.web.bulk import BULK_MOST, Refused
from app.web.fields import since_moment
from app.web.forms import Form
from app.web.gate import may_see
from app.web.paging import ListQuery, Page
from app.web.problems import Invalid
from app.web.streams import ByteStream, EventStream, Text


def list_jobs(ask: Ask) -> Page[JobSummary]:
    if not ask.html:
        return _listed(ask, _filter(ask, ask.query))
    want = None if ask.query.is_too_short else _filter(ask, ask.query)
    page: Page[JobSummary] = Page([]) if want is None else _listed(ask, want)
    people = colleagues(ask.db, ask.principal, ask.query.owner)
    return JobsWithCounts(page.items, page.next, counts=_counts(ask, want), pools=_pools(ask), people=people)


def _listed(ask: Ask, want: JobFilter) -> Page[JobSummary]:
    q: JobQuery = ask.query
    reader = Reader.of(ask.principal)
    if want.q is not None:
        return _searched(ask, reader, want)
    after = q.after(str)
    found = queries.newest(ask.db, reader, want, after[0] if after else None, q.limit)
    return Page(views.summaries(ask.db, found.rows), q.cursor_at(found.resume) if found.resume else None)


def _searched(ask: Ask, reader: Reader, want: JobFilter) -> Page[JobSummary]:
    q: JobQuery = ask.query
    after = q.after(int)
    found = matches.newest_matches(ask.db, reader, want, after[0] if after else None, q.limit)
    cursor = None if found.resume is None else q.cursor_at(found.resume)
    return Page(views.summaries(ask.db, found.rows), cursor)


def _filter(ask: Ask, q: JobFilters) -> JobFilter:
    """The filters with ids for names. A pool that there is not matches nothing. A text that begins an id is no text."""
    pool = pool_named(ask.db, ask.organization_id, q.pool) if q.pool else None
    if q.is_too_short:
        raise Invalid.field("q", f"Search for at least {MIN_LENGTH} characters.")
    ids = ids_like(q.q or "")
    if ids and not queries.is_any_within(ask.db, ask.organization_id, ids):
        ids = None
    return JobFilter(
        states=q.states, owner_id=ask.principal.user_id if q.owner == "me" else q.owner or None,
        pool_id=(pool.id if pool else "none") if q.pool else None, name=q.name or None,
        q=None if ids else q.q or None, ids=ids, created_from=since_moment(q.since, ask.now) if q.since else None,
        created_before=q.until,
    )  # fmt: skip


def _counts(ask: Ask, want: JobFilter | None) -> dict[str, int]:
    """Jobs by state; of those that match the other filters, where they are few and no text is searched, else empty."""
    q: JobQuery = ask.query
    if want is None or q.q:
        return {}
    if q.narrows:
        totals = queries.count_states(ask.db, Reader.of(ask.principal), want)
    else:
        totals = queries.totals(ask.db, ask.organization_id)
    return {"": sum(totals.values()), **{state.value: number for state, number in totals.items()}} if totals else {}


def _pools(ask: Ask) -> list[PoolChoice]:
    return [PoolChoice(pool.id, pool.name) for pool in known_pools(ask.db, ask.organization_id)]


def count_jobs(ask: Ask) -> JobCount:
    """How many jobs match the filters, exactly up to 10,000."""
    want = _filter(ask, ask.query)
    if want.q is not None:
        raise Invalid.field("q", "A text is not counted.")
    counted = queries.count(ask.db, Reader.of(ask.principal), want)
    return JobCount(counted.number, counted.exact)


def show_totals(ask: Ask) -> JobTotals:
    """How many jobs of the organization are in each state."""
    totals = queries.totals(ask.db, ask.organization_id)
    return JobTotals({state.value: number for state, number in totals.items()})


def new_job(ask: Ask) -> NewJob:
    q: NewJobQuery = ask.query
    job = ask.db.get(Job, q.from_) if q.from_ else None
    if job is None or job.organization_id != ask.organization_id or not may_see(ask.db, job, ask.principal):
        return _new(ask, {})
    spec = spec_of(ask.db, job)
    return dataclasses.replace(_new(ask, spec), task=dump_task(spec))


def fill_form(ask: Ask, body: TaskText) -> NewJob:
    """The form with what a task says."""
    return _new(ask, parse_task(body.yaml.encode("utf-8", "surrogatepass")))


def _new(ask: Ask, values: dict[str, Any]) -> NewJob:
    pools, teams = _pools(ask), sharing.offered(ask.db, ask.principal)
    begun = to_form_fields(values, choices_of(pools, teams))
    return NewJob(pools, teams, form=Form(begun.fields), left=begun.left)


def preview_job(ask: Ask, body: JobSubmit) -> JobPreview:
    """What would be submitted: what the pool can't honour, the price, the place in line."""
    return preview.preview(ask.db, ask.organization_id, body, ask.now)


def submit_job(ask: Ask, body: JobSubmit) -> AfterCommit[JobDetail]:
    pool = service.pool_for(ask.db, ask.organization_id, body.pool)
    me = ask.principal
    new = service.submit(ask.db, body, pool, owner=Reader.of(me), keyring=ask.site.keyring, by=ask.actor)
    ask.wake("scheduler")
    return views.submitted(ask.db, new, pool, body, me)


def show_job(ask: Ask, job: Job) -> JobDetail | FromStore[JobDetail]:
    shown = views.detail(ask.db, job, ask.principal)
    if not ask.html:
        return shown
    state, teams = queries.log_state(ask.db, job.id), sharing.offered(ask.db, ask.principal) if shown.may.change else []
    fake = shown.accelerators is not None and has_fake_gpus(ask.db, known_pool(ask.db, job.pool_id))
    fields = {f.name: getattr(shown, f.name) for f in dataclasses.fields(shown)}
    page = partial(JobWithLog, **fields, teams=teams, fake_gpus=fake)
    if state.size == 0 or job.logs_removed_at is not None:
        return page(log_tail="")
    store = ask.site.logs

    def with_tail() -> JobDetail:
        return page(log_tail=logs.tail_text(store, shown.id, state))

    return FromStore(job.id, with_tail, otherwise=page(log_tail=None), seconds=TAIL_SECONDS)


def update_job(ask: Ask, job: Job, body: JobUpdate) -> JobDetail:
    """Rename the job, change its priority or who may see it."""
    values = sharing.columns_of(ask.db, Reader.of(ask.principal), body)
    service.change(ask.db, job, values, ask.actor)
    ask.wake("scheduler")
    return views.detail(ask.db, job, ask.principal)


def stop_job(ask: Ask, job: Job) -> JobDetail:
    """Stop the job: now if it is queued, else by its signal and grace; a second stop is at once."""
    service.stop(ask.db, job.id, ask.actor, ask.now)
    ask.wake("engine")
    return _detail(ask, job.id)


def stop_jobs(ask: Ask, body: JobStopMany) -> StopResult:
    """Stop up to 1,000 jobs in one transaction."""
    reader = Reader.of(ask.principal)
    held = hold(ask.db, body.ids if body.ids is not None else _stoppable(ask, reader, body.filter))
    wanted = list(dict.fromkeys(body.ids)) if body.ids is not None else list(held)
    teams = queries.team_ids(ask.db, reader)
    refused = [Refused(i, detail) for i in wanted if (detail := service.refusal(held.get(i), reader, teams))]
    kept = set(wanted) - {r.id for r in refused}
    stopped = service.stop_many(ask.db, [held[i] for i in sorted(kept)], ask.actor, ask.now, again=body.again)
    ask.wake("engine")
    ask.notice = f"{stopped:,} {'job is' if stopped == 1 else 'jobs are'} told to stop."
    return StopResult(stopped, len(kept) - stopped, refused)


def _stoppable(ask: Ask, reader: Reader, filters: JobFilters | None) -> list[str]:
    """The newest jobs of the filter that have not ended and are not told to stop; of a member, their own."""
    assert filters is not None
    want = _filter(ask, filters)
    states = tuple(s for s in want.states or tuple(JobState) if s not in FINAL)
    if not states:
        return []
    if not reader.is_admin and want.owner_id not in {None, reader.user_id}:
        return []
    owner = want.owner_id if reader.is_admin else reader.user_id
    want = dataclasses.replace(want, states=states, owner_id=owner, untold=True)
    if want.q is not None:
        return [row.id for row in matches.newest_matches(ask.db, reader, want, None, BULK_MOST).rows]
    return [row.id for row in queries.newest(ask.db, reader, want, None, BULK_MOST).rows]


def rerun_job(ask: Ask, job: Job) -> JobDetail:
    """Submit the same job once more, as a new one."""
    new = service.rerun(ask.db, job, owner=Reader.of(ask.principal), keyring=ask.site.keyring, by=ask.actor)
    ask.wake("scheduler")
    ask.notice = f"{new.name} is submitted again: this is the new job."
    return _detail(ask, new.id)


def read_logs(ask: Ask, job: Job) -> FromStore[Text | ByteStream | EventStream]:
    """The log as text, as a file, or with `follow=1` as server-sent events that go on until the job has ended."""
    q: LogQuery = ask.query
    site, reach = ask.site, logs.reach_of(ask.db, job, q)
    if q.download:
        return FromStore(job.id, partial(logs.whole, site, job.id, reach))
    if not q.follow:
        return FromStore(job.id, partial(logs.read, site.logs, job.id, reach, q))
    if q.attempt is not None:
        raise Invalid.field("attempt", "A log is followed as a whole; leave attempt or follow out.")
    return FromStore(job.id, partial(logs.followed, site, job.id, reach, q, ask.headers.last_event_id))


def find_in_logs(ask: Ask, job: Job) -> FromStore[LogMatchPage]:
    """Lines of the log that hold a text, or that look like an error."""
    reach = logs.reach_of(ask.db, job, LogQuery())
    return FromStore(job.id, partial(_found, ask.site.logs, job.id, reach.state, ask.query))


def _found(store: LogStore, job_id: str, state: LogState, q: LogMatchQuery) -> LogMatchPage:
    found = logs.find(store, job_id, state, q)
    return LogMatchPage([LogMatchView(match.offset, match.line) for match in found.items], found.next)


def list_job_events(ask: Ask, job: Job) -> Page[EventView]:
    q: ListQuery = ask.query
    after = q.after(int)
    want = event_queries.EventFilter(subject=job.id)
    before = after[0] if after else None
    rows = event_queries.newest(ask.db, ask.principal, want, limit=q.limit, before=before)
    return q.page(rows, key=lambda e: (e.seq or 0,), item=EventView.of)


def follow_job(ask: Ask, job: Job) -> EventStream:
    """Server-sent events of one job: `job` for what happens to it, `log` for how far its log reaches, and one `end`.

    The data of `log` is `{"size", "ended"}`. While the job waits, `queue` says that its place or reason may be another.
    """
    start, site, me, job_id = start_of(ask), ask.site, ask.principal, job.id
    return EventStream(lambda: watched(site, me, job_id, start))


def show_task(ask: Ask, job: Job) -> Text:
    """The job as a SkyPilot task YAML; secrets are names with null."""
    task = dump_task(spec_of(ask.db, job))
    return Text(task.encode(), media=YAML)


def _detail(ask: Ask, job_id: str) -> JobDetail:
    job = ask.db.get(Job, job_id, populate_existing=True)
    assert job is not None
    return views.detail(ask.db, job, ask.principal)


WRITE = Scope.COMPUTE_WRITE
TAIL_SECONDS = 5.0  # a job's page waits for the end of its log, and then says that it can't be read

ACTIONS = [
    Action("GET", "/jobs", list_jobs, query=JobQuery, page="jobs/index.html"),
    Action(
        "POST", "/jobs", submit_job, needs=WRITE, body=JobSubmit, yaml=parse_task, status=201, form="/jobs/new",
    ),
    Action("GET", "/jobs/new", new_job, query=NewJobQuery, page="jobs/new.html", mount=Mount.HTML),
    Action(
        "POST", "/jobs/new", fill_form, needs=WRITE, body=TaskText, page="jobs/new.html", form="/jobs/new",
        mount=Mount.HTML,
    ),
    Action(
        "POST", "/jobs/preview", preview_job, needs=WRITE, body=JobSubmit, yaml=parse_task, page="jobs/preview.html",
    ),
    Action("POST", "/jobs/stop", stop_jobs, needs=WRITE, body=JobStopMany, status=202, then="/jobs", form="/jobs"),
    Action("GET", "/jobs/count", count_jobs, query=JobFilters, mount=Mount.JSON),
    Action("GET", "/jobs/totals", show_totals, mount=Mount.JSON),
    Action("GET", "/jobs/{id}", show_job, thing=Job, page="jobs/show.html"),
    Action(
        "PATCH", "/jobs/{id}", update_job, thing=Job, owner_only=True, needs=WRITE, body=JobUpdate, form="/jobs/{id}"
    ),
    Action("POST", "/jobs/{id}/stop", stop_job, thing=Job, owner_only=True, needs=WRITE, status=202),
    Action("POST", "/jobs/{id}/rerun", rerun_job, thing=Job, owner_only=True, needs=WRITE, status=201),
    Action(
        "GET", "/jobs/{id}/logs", read_logs, thing=Job, query=LogQuery, headers=Resumed, media="text/plain",
        mount=Mount.JSON, sends=logs.HEADERS, also=(410,),
    ),
    Action(
        "GET", "/jobs/{id}/log-matches", find_in_logs, thing=Job, query=LogMatchQuery, mount=Mount.JSON, also=(410,),
        limit=Limit.LOG_SEARCHES,
    ),
    Action("GET", "/jobs/{id}/events", list_job_events, thing=Job, query=ListQuery, mount=Mount.JSON),
    Action(
        "GET", "/jobs/{id}/live", follow_job, thing=Job, query=Resumable, kind=Kind.STREAM, headers=Resumed,
        media="text/event-stream",
    ),
    Action("GET", "/jobs/{id}/task", show_task, thing=Job, media=YAML, mount=Mount.JSON),
]  # fmt: skip
