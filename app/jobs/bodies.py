"""What may be asked of jobs: filters, changes, bulk stops, pieces of logs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.jobs.form_fields import split_choice
from app.jobs.models import JobState, Visibility
from app.jobs.search import MIN_LENGTH, TEXT_LENGTH
from app.jobs.spec import PRIORITY_MOST
from app.jobs.values import NAME_MOST, Line, check_name, check_team
from app.web.bulk import Ids
from app.web.fields import NUMBER, FilterText, Flag, Id, Moment, Since
from app.web.paging import ListQuery
from app.web.problems import Invalid
from app.web.query import Query

LOG_PIECE = 8 << 20  # bytes of one answer
Offset = Annotated[int, Field(ge=0, lt=1 << 62)]


def _states(text: str) -> str:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in set(JobState):
            raise ValueError(f"There is no state {name!r}; the states are {', '.join(JobState)}.")
    return ",".join(dict.fromkeys(names))


States = Annotated[
    str, StringConstraints(max_length=100), AfterValidator(_states), Field(description="States, comma between.")
]


class JobFilters(Query):
    searched: ClassVar[int] = TEXT_LENGTH  # characters of a job, for pages to say

    state: States | None = None
    owner: Annotated[FilterText | None, Field(description="A user's id, or `me`.")] = None
    pool: Annotated[FilterText | None, Field(description="A pool's name or id.")] = None
    name: Annotated[FilterText | None, Field(description="The whole name.")] = None
    q: Annotated[
        FilterText | None,
        Field(
            description=f"A part of the name or the commands, of {MIN_LENGTH} characters or more, within the first"
            f" {TEXT_LENGTH:,} characters of both together; or a job's id, or how it begins (`job_` and four digits or"
            " more)."
        ),
    ] = None
    since: Annotated[Since | None, Field(description="Submitted then or later; `24h` is a day ago.")] = None
    until: Annotated[Moment | None, Field(description="Submitted before then.")] = None

    @property
    def is_too_short(self) -> bool:
        """Whether a text is searched for that no index can answer."""
        return 0 < len(self.q or "") < MIN_LENGTH

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out but states."""
        return any((self.owner, self.pool, self.name, self.q, self.since, self.until))

    @property
    def states(self) -> tuple[JobState, ...]:
        return tuple(JobState(name) for name in (self.state or "").split(",") if name)


class JobQuery(JobFilters, ListQuery):
    """The list's query."""


class JobUpdate(BaseModel):
    """Only the fields that are present change anything."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, AfterValidator(check_name), Field(max_length=NAME_MOST)] | None = None
    priority: Annotated[int, Field(ge=-PRIORITY_MOST, le=PRIORITY_MOST), NUMBER] | None = None
    visibility: Visibility | None = None
    team: Annotated[Line | None, Field(description="Name or id of the team that sees it, with visibility team.")] = None

    @classmethod
    def from_form(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return split_choice(fields)

    @model_validator(mode="after")
    def _team_with_its_visibility(self) -> JobUpdate:
        check_team(self.visibility is Visibility.TEAM, self.team)
        return self


class JobStopMany(BaseModel):
    """Which jobs to stop: up to 1,000 ids, or the jobs of a filter (1,000 a call, newest first)."""

    model_config = ConfigDict(extra="forbid")

    ids: Ids | None = None
    filter: JobFilters | None = None
    again: Annotated[Flag, Field(description="With `ids`: one that was told before is killed now.")] = False

    @classmethod
    def from_form(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The list's form, in which rows are ticked."""
        if not fields.keys() & {"ids", "filter"}:
            raise Invalid("Tick the jobs to stop first.")
        return fields

    @model_validator(mode="after")
    def _one_of_both(self) -> JobStopMany:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("Give ids or filter.")
        return self


class NewJobQuery(Query):
    model_config = ConfigDict(populate_by_name=True)

    from_: Annotated[Id | None, Field(alias="from", description="The job to copy.")] = None


class TaskText(BaseModel):
    """A task to fill the form with. What the form holds comes along, to be kept where the task can't be read."""

    yaml: str


class LogQuery(Query):
    """From where, and of which part of the job. `tail` counts lines and excludes `offset`."""

    offset: Annotated[Offset | None, Field(description="Bytes from the log's beginning.")] = None
    limit: Annotated[int, Field(ge=1, le=LOG_PIECE, description="Bytes of one answer at most.")] = LOG_PIECE
    tail: Annotated[int | None, Field(ge=1, le=100_000, description="The last lines.")] = None
    attempt: Annotated[int | None, Field(ge=1, le=1_000_000, description="One attempt's part.")] = None
    node: Annotated[int | None, Field(ge=0, le=1_000, description="The rank of a node.")] = None
    follow: Annotated[bool, Field(description="1: server-sent events that go on.")] = False
    download: Annotated[bool, Field(description="1: the whole log as a file, however large.")] = False

    @model_validator(mode="after")
    def _one_place(self) -> LogQuery:
        if self.download and (self.follow or self.tail is not None or self.offset is not None):
            raise ValueError("A download is the whole log: leave offset, tail and follow out.")
        if self.tail is not None and self.offset is not None:
            raise ValueError("Give offset or tail, not both.")
        return self


def _one_line(text: str) -> str:
    if "\n" in text or "\x00" in text:
        raise ValueError("Search for one line of text.")
    return text


LineText = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]


class LogMatchQuery(Query):
    """What to look for: a text, or what looks like an error."""

    q: Annotated[LineText | None, Field(description="A text.")] = None
    kind: Annotated[Literal["error"] | None, Field(description="`error`: what looks like one.")] = None
    after: Annotated[Offset, Field(description="The offset to search from.")] = 0
    limit: Annotated[int, Field(ge=1, le=200, description="Matches a page.")] = 50

    @model_validator(mode="after")
    def _one_of_both(self) -> LogMatchQuery:
        if (self.q is None) == (self.kind is None):
            raise ValueError("Give q or kind.")
        return self
