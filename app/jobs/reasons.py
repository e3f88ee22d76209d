"""Why a job is where it is: a code with stable arguments, and the one plain sentence made of them.

The row keeps code and arguments. What moves by itself (free counts, the position in line) is never stored: it comes
in as `Live` when the sentence is read.

- `Reason(code, args)` with `.sentence(live)`; `sentence(code, args, live)` for a stored row.
- `end_reason(observation, EndFacts(...))` says why an attempt ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from signal import Signals

from app.durations import format_duration
from app.engines.protocol import EndCause, Observation, StopReason
from app.jobs.models import JobState
from app.jobs.resources import format_tenths

Args = Mapping[str, str | int | float | None]


class ReasonCode(StrEnum):
    """At most 48 characters each; a code and the names of its arguments never change once stored."""

    # queued
    SUBMITTED = "submitted"  # the scheduler has not looked yet
    WAITING_FOR_GPUS = "waiting_for_gpus"  # gpus, model, num_nodes
    WAITING_FOR_CPUS = "waiting_for_cpus"  # cpu_tenths, num_nodes
    WAITING_FOR_MEMORY = "waiting_for_memory"  # memory_tenths, num_nodes
    IN_LINE = (
        "in_line"  # fits now, but would delay a job ahead; before: POSIX time by which it would have to end, or None
    )
    NODES_DRAINED = "nodes_drained"
    NODES_UNREACHABLE = "nodes_unreachable"
    DISK_LOW = "disk_low"  # percent
    NO_SUCH_NODE = "no_such_node"  # wants: nothing in the pool could ever hold it
    NODES_AVOIDED = "nodes_avoided"  # the only nodes left are those that it failed on
    POOL_DRAINED = "pool_drained"
    POOL_UNREACHABLE = "pool_unreachable"
    REQUEUED = "requeued"  # why: the sentence of the attempt before
    # on its way, or running
    STARTING = "starting"  # node, num_nodes
    STOPPING = "stopping"  # by, grace
    STOPPING_NOW = "stopping_now"  # by
    TIMING_OUT = "timing_out"  # max_duration, grace
    STOPPED_BY_FULL_DISK = "stopped_by_full_disk"  # grace
    RUNNING = "running"  # never stored: what is said where nothing else is, as is the next one
    SUCCEEDED = "succeeded"
    NOT_ANSWERING = "not_answering"  # its engine could not be asked
    LOG_WAITS = "log_waits"  # detail: what keeps its log from being stored
    # ended
    EXITED = "exited"  # exit_code
    SAVED = "saved"  # exit code 75 with no attempt left to give
    SIGNALED = "signaled"  # signal
    STOPPED = "stopped"  # by
    STOPPED_BY_DRAIN = "stopped_by_drain"
    PREEMPTED = "preempted"
    STOPPED_IN_QUEUE = "stopped_in_queue"  # by
    TIMED_OUT = "timed_out"  # max_duration
    OUT_OF_MEMORY = "out_of_memory"  # memory_tenths
    DISK_FULL = "disk_full"
    COMMAND_NOT_FOUND = "command_not_found"
    SETUP_FAILED = "setup_failed"  # exit_code
    NOT_STARTED = "not_started"  # detail
    MACHINE_LOST = "machine_lost"  # node, detail: what is known of it; absent in older rows
    ENDED = "ended"  # detail: the engine knows no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What is computed when a reason is read. Unknown parts are None and are left out of the sentence.

    `ahead`: jobs of the same pool in front of it. `free_*`: on open nodes together; `most_*`: on the best node alone.
    """

    now: datetime | None = None
    pool: str = ""
    pool_reason: str | None = None
    ahead: int | None = None
    free_gpus: int | None = None
    most_gpus: int | None = None
    free_cpu_tenths: int | None = None
    most_cpu_tenths: int | None = None
    free_memory_tenths: int | None = None
    most_memory_tenths: int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    code: ReasonCode
    args: Args = field(default_factory=dict)

    def sentence(self, live: Live | None = None) -> str:
        return sentence(self.code, self.args, live)


def sentence(code: ReasonCode | str, args: Args, live: Live | None = None) -> str:
    """One sentence without a full stop. A code that is unknown (stored by a later version) is shown as its words."""
    try:
        known = ReasonCode(code)
    except ValueError:
        return str(code).replace("_", " ")
    return SENTENCES[known](_Blank(args), live or Live())


class _Blank(dict[str, object]):
    """A missing argument reads as empty: a reason is always a sentence, whatever was stored."""

    def __missing__(self, key: str) -> str:
        return ""

    def number(self, key: str) -> int:
        value = self.get(key)
        return int(value) if isinstance(value, int | float) else 0


def _pool(live: Live) -> str:
    return f"pool {live.pool}" if live.pool else "its pool"


def _gpus(args: _Blank, live: Live) -> str:
    what = f"{args.number('gpus')} {args['model'] or 'GPUs'}".strip()
    return _waiting(what, args, live, _free(args.number("gpus"), live.free_gpus, live.most_gpus, str))


def _cpus(args: _Blank, live: Live) -> str:
    tenths = args.number("cpu_tenths")
    what = f"{format_tenths(tenths)} {'CPU' if tenths == 10 else 'CPUs'}"
    return _waiting(what, args, live, _free(tenths, live.free_cpu_tenths, live.most_cpu_tenths, format_tenths))


def _memory(args: _Blank, live: Live) -> str:
    tenths = args.number("memory_tenths")
    shown = _free(tenths, live.free_memory_tenths, live.most_memory_tenths, lambda n: f"{format_tenths(n)} GiB")
    return _waiting(f"{format_tenths(tenths)} GiB of memory", args, live, shown)


def _waiting(what: str, args: _Blank, live: Live, free: str) -> str:
    nodes = args.number("num_nodes")
    many = f" on each of {nodes} nodes" if nodes > 1 else ""
    return f"waiting for {what}{many} in {_pool(live)}{free}"


def _free(needed: int, free: int | None, most: int | None, shown: Callable[[int], str]) -> str:
    if free is None:
        return ""
    if most is not None and most < needed <= free:
        return f" ({shown(free)} free, at most {shown(most)} on one node)"
    return f" ({shown(free)} free)"


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def ordinal(number: int) -> str:
    """1 is "first", 11 is "11th", 22 is "22nd"."""
    if 1 <= number <= len(ORDINALS):
        return ORDINALS[number - 1]
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _in_line(args: _Blank, live: Live) -> str:
    """`before`: when it would have to end to run ahead of its turn; None where what is free is held for others."""
    hint = _hint(args.number("before"), live.now)
    if live.ahead == 0:
        return f"next in line in {_pool(live)}{hint}"
    if not hint and "before" in args:
        hint = ": what is free is held for them"
    if live.ahead is None:
        return f"waiting behind earlier jobs in {_pool(live)}{hint}"
    jobs = f"{live.ahead} {'job' if live.ahead == 1 else 'jobs'}"
    return f"{ordinal(live.ahead + 1)} in line behind {jobs} in {_pool(live)}{hint}"


def _hint(before: int, now: datetime | None) -> str:
    minutes = int(before - now.timestamp()) // 60 if now else 0
    if minutes < 2:
        return ""
    return f"; with a max_duration of at most {format_duration(minutes * 60)} it could start now"


def _drained(live: Live) -> str:
    return f"{_pool(live)} is drained{f': {live.pool_reason}' if live.pool_reason else ' and starts no new jobs'}"


def _unreachable(live: Live) -> str:
    return f"{_pool(live)} can't be reached{f': {live.pool_reason}' if live.pool_reason else ' now'}"


def _starting(args: _Blank, _: Live) -> str:
    nodes = args.number("num_nodes")
    return f"starting on {nodes} nodes" if nodes > 1 else f"starting on {args['node'] or 'its node'}"


def _stopping(args: _Blank, _: Live) -> str:
    return f"{_by('stopped', args)}{_grace(args)}"


def _grace(args: _Blank) -> str:
    return f", has up to {format_duration(args.number('grace'))} to finish"


def _requeued(args: _Blank, _: Live) -> str:
    return f"waiting to run again (last attempt: {args['why']})" if args["why"] else "waiting to run again"


def _by(text: str, args: _Blank) -> str:
    return f"{text} by {args['by']}" if args["by"] else text


def signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def _signaled(args: _Blank, _: Live) -> str:
    number = args.number("signal")
    name = signal_name(number)
    shown = f"{name} (signal {number})" if name.startswith("SIG") else name
    hint = ", which Lattice did not send" if number in {9, 15} else ""
    return f"killed by {shown}{hint}"


def _timed_out(args: _Blank, _: Live) -> str:
    return f"ran longer than its max_duration of {format_duration(args.number('max_duration'))}"


def _out_of_memory(args: _Blank, _: Live) -> str:
    tenths = args.number("memory_tenths")
    limit = f"its {format_tenths(tenths)} GiB" if tenths else "it was given"
    return f"used more memory than {limit}: ask for more with resources.memory"


def _detail(text: str, args: _Blank) -> str:
    return f"{text}: {args['detail']}" if args["detail"] else text


def _lost(args: _Blank, _: Live) -> str:
    detail = str(args["detail"]).removesuffix(".")
    if not detail:
        return f"{args['node'] or 'its machine'} restarted or vanished while it ran"
    where = f" on {args['node']}" if args["node"] else ""
    return f"lost{where}: {detail[:1].lower()}{detail[1:]}"


SENTENCES: Mapping[ReasonCode, Callable[[_Blank, Live], str]] = {
    ReasonCode.SUBMITTED: lambda a, live: f"waiting to be placed in {_pool(live)}",
    ReasonCode.WAITING_FOR_GPUS: _gpus,
    ReasonCode.WAITING_FOR_CPUS: _cpus,
    ReasonCode.WAITING_FOR_MEMORY: _memory,
    ReasonCode.IN_LINE: _in_line,
    ReasonCode.NODES_DRAINED: lambda a, live: f"the nodes of {_pool(live)} that could hold it are drained",
    ReasonCode.NODES_UNREACHABLE: lambda a, live: f"the nodes of {_pool(live)} that could hold it can't be reached",
    ReasonCode.DISK_LOW: lambda a, live: (
        f"{_pool(live)} is below {a.number('percent') or 5} % of free disk, so nothing is started: free some space"
    ),
    ReasonCode.NO_SUCH_NODE: lambda a, live: (
        f"no node of {_pool(live)} is large enough for {a['wants'] or 'it'} any more: stop it and ask for less"
    ),
    ReasonCode.NODES_AVOIDED: lambda a, live: f"waiting for another node of {_pool(live)} than those it failed on",
    ReasonCode.POOL_DRAINED: lambda a, live: _drained(live),
    ReasonCode.POOL_UNREACHABLE: lambda a, live: _unreachable(live),
    ReasonCode.REQUEUED: _requeued,
    ReasonCode.STARTING: _starting,
    ReasonCode.STOPPING: _stopping,
    ReasonCode.STOPPING_NOW: lambda a, live: _by("being killed, stopped a second time", a),
    ReasonCode.TIMING_OUT: lambda a, live: f"{_timed_out(a, live)} and is being stopped{_grace(a)}",
    ReasonCode.STOPPED_BY_FULL_DISK: lambda a, live: f"being stopped, for the disk is full{_grace(a)}",
    ReasonCode.RUNNING: lambda a, live: f"running in {_pool(live)}",
    ReasonCode.SUCCEEDED: lambda a, live: "ran to its end",
    ReasonCode.NOT_ANSWERING: lambda a, live: f"{_pool(live)} does not answer, the job may still be running",
    ReasonCode.LOG_WAITS: lambda a, live: _detail("its log can't be stored and is kept on its node until it can", a),
    ReasonCode.EXITED: lambda a, live: f"exited with code {a.number('exit_code')}",
    ReasonCode.SAVED: lambda a, live: (
        "saved its work and asked to run again (exit code 75): allow that with resources.job_recovery"
    ),
    ReasonCode.SIGNALED: _signaled,
    ReasonCode.STOPPED: lambda a, live: (
        _by("stopped", a) + ("; killed before it ended by itself" if a["killed"] else "")
    ),
    ReasonCode.STOPPED_BY_DRAIN: lambda a, live: f"stopped because {_pool(live)} was drained",
    ReasonCode.PREEMPTED: lambda a, live: "stopped to make room for a job of higher priority",
    ReasonCode.STOPPED_IN_QUEUE: lambda a, live: f"{_by('stopped', a)} before it started",
    ReasonCode.TIMED_OUT: _timed_out,
    ReasonCode.OUT_OF_MEMORY: _out_of_memory,
    ReasonCode.DISK_FULL: lambda a, live: "the disk was full: free some space, or write less",
    ReasonCode.COMMAND_NOT_FOUND: lambda a, live: (
        "command not found (exit code 127): check that setup installs what run calls, and the PATH"
    ),
    ReasonCode.SETUP_FAILED: lambda a, live: f"setup failed with exit code {a.number('exit_code')}, so run never began",
    ReasonCode.NOT_STARTED: lambda a, live: _detail("could not be started", a),
    ReasonCode.MACHINE_LOST: _lost,
    ReasonCode.ENDED: lambda a, live: str(a["detail"]) or "ended for a reason that its engine does not know",
}


PLAIN: Mapping[JobState, ReasonCode] = {
    JobState.RUNNING: ReasonCode.RUNNING,
    JobState.SUCCEEDED: ReasonCode.SUCCEEDED,
}
"""What is said of a job in a state that needs no reason."""


def plain_sentence(state: JobState, pool: str) -> str:
    return Reason(PLAIN[state]).sentence(Live(pool=pool)) if state in PLAIN else state.value


@dataclass(frozen=True, slots=True, kw_only=True)
class EndFacts:
    """What the observation does not carry: `by` is who stopped it; `stopped` why a stop was ordered, if one was."""

    max_duration: float | None = None
    memory_tenths: int | None = None
    stopped: StopReason | None = None
    by: str | None = None
    node: str | None = None


EX_TEMPFAIL = 75  # sysexits.h: "saved, run me again"


def end_reason(seen: Observation, facts: EndFacts = EndFacts()) -> Reason | None:
    """Why the attempt ended; None when it exited with code 0, which needs no reason."""
    if seen.cause in {EndCause.EXITED, None} and seen.exit_code == 0:
        return None
    return ENDS[seen.cause](seen, facts) if seen.cause else _uncaused(seen)


def _uncaused(seen: Observation) -> Reason:
    if seen.signal:
        return Reason(ReasonCode.SIGNALED, {"signal": seen.signal})
    if seen.exit_code is not None:
        return Reason(ReasonCode.EXITED, {"exit_code": seen.exit_code})
    return Reason(ReasonCode.ENDED, {"detail": seen.detail})


def _exited(seen: Observation, _: EndFacts) -> Reason:
    if seen.exit_code == EX_TEMPFAIL:
        return Reason(ReasonCode.SAVED)
    return Reason(ReasonCode.EXITED, {"exit_code": seen.exit_code})


def _stopped(seen: Observation, facts: EndFacts) -> Reason:
    if facts.stopped is StopReason.MAX_DURATION:
        return Reason(ReasonCode.TIMED_OUT, {"max_duration": facts.max_duration})
    if facts.stopped is StopReason.DRAIN:
        return Reason(ReasonCode.STOPPED_BY_DRAIN)
    if facts.stopped is StopReason.PREEMPTED:
        return Reason(ReasonCode.PREEMPTED)
    return Reason(ReasonCode.STOPPED, {"by": facts.by, "killed": seen.signal == Signals.SIGKILL})


ENDS: Mapping[EndCause, Callable[[Observation, EndFacts], Reason]] = {
    EndCause.EXITED: _exited,
    EndCause.SIGNALED: lambda seen, facts: Reason(ReasonCode.SIGNALED, {"signal": seen.signal}),
    EndCause.STOPPED: _stopped,
    EndCause.TIMED_OUT: lambda seen, facts: Reason(ReasonCode.TIMED_OUT, {"max_duration": facts.max_duration}),
    EndCause.OUT_OF_MEMORY: lambda seen, facts: Reason(
        ReasonCode.OUT_OF_MEMORY, {"memory_tenths": facts.memory_tenths}
    ),
    EndCause.DISK_FULL: lambda seen, facts: Reason(ReasonCode.DISK_FULL),
    EndCause.COMMAND_NOT_FOUND: lambda seen, facts: Reason(ReasonCode.COMMAND_NOT_FOUND),
    EndCause.SETUP_FAILED: lambda seen, facts: Reason(ReasonCode.SETUP_FAILED, {"exit_code": seen.exit_code}),
    EndCause.NOT_STARTED: lambda seen, facts: Reason(ReasonCode.NOT_STARTED, {"detail": seen.detail}),
    EndCause.MACHINE_LOST: lambda seen, facts: Reason(
        ReasonCode.MACHINE_LOST, {"node": facts.node, "detail": seen.detail}
    ),
}
