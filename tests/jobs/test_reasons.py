from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.engines.protocol import EndCause, Observation, Phase, StopReason
from app.jobs.reasons import EndFacts, Live, Reason, ReasonCode, end_reason, ordinal, sentence

C = ReasonCode
LAB = Live(
    now=datetime(2026, 1, 1, tzinfo=UTC),
    pool="lab",
    ahead=2,
    free_gpus=3,
    most_gpus=2,
    free_cpu_tenths=15,
    free_memory_tenths=20,
)


@pytest.mark.parametrize(
    ("code", "args", "text"),
    [
        (C.WAITING_FOR_GPUS, {"gpus": 8, "model": "H100", "num_nodes": 1}, "waiting for 8 H100 in pool lab (3 free)"),
        (C.WAITING_FOR_GPUS, {"gpus": 3, "model": "H100"},
         "waiting for 3 H100 in pool lab (3 free, at most 2 on one node)"),
        (C.WAITING_FOR_GPUS, {"gpus": 8, "model": "H100", "num_nodes": 2},
         "waiting for 8 H100 on each of 2 nodes in pool lab (3 free)"),
        (C.WAITING_FOR_CPUS, {"cpu_tenths": 40}, "waiting for 4 CPUs in pool lab (1.5 free)"),
        (C.WAITING_FOR_MEMORY, {"memory_tenths": 320}, "waiting for 32 GiB of memory in pool lab (2 GiB free)"),
        (C.IN_LINE, {"before": None}, "third in line behind 2 jobs in pool lab: what is free is held for them"),
        (C.IN_LINE, {"before": 1_767_225_600 + 2450},
         "third in line behind 2 jobs in pool lab; with a max_duration of at most 40m it could start now"),
        (C.DISK_LOW, {"percent": 5}, "pool lab is below 5 % of free disk, so nothing is started: free some space"),
        (C.REQUEUED, {"why": "exited with code 75"}, "waiting to run again (last attempt: exited with code 75)"),
        (C.STARTING, {"node": "n1", "num_nodes": 1}, "starting on n1"),
        (C.STOPPING, {"by": "Ada", "grace": 30}, "stopped by Ada, has up to 30s to finish"),
        (C.EXITED, {"exit_code": 1}, "exited with code 1"),
        (C.SIGNALED, {"signal": 11}, "killed by SIGSEGV (signal 11)"),
        (C.SIGNALED, {"signal": 99}, "killed by signal 99"),
        (C.STOPPED, {"by": "Ada"}, "stopped by Ada"),
        (C.STOPPED, {"by": "Ada", "killed": True}, "stopped by Ada; killed before it ended by itself"),
        (C.STOPPED_IN_QUEUE, {"by": "Ada"}, "stopped by Ada before it started"),
        (C.TIMED_OUT, {"max_duration": 7200.0}, "ran longer than its max_duration of 2h"),
        (C.OUT_OF_MEMORY, {"memory_tenths": 40},
         "used more memory than its 4 GiB: ask for more with resources.memory"),
        (C.SETUP_FAILED, {"exit_code": 2}, "setup failed with exit code 2, so run never began"),
        (C.NOT_STARTED, {"detail": "no such image"}, "could not be started: no such image"),
        (C.MACHINE_LOST, {"node": None}, "its machine restarted or vanished while it ran"),
        (C.MACHINE_LOST, {"node": "n1"}, "n1 restarted or vanished while it ran"),
        (C.MACHINE_LOST, {"node": "n1", "detail": "The machine restarted while it ran."},
         "lost on n1: the machine restarted while it ran"),
        (C.MACHINE_LOST, {"detail": "Its folder is gone."}, "lost: its folder is gone"),
    ],
)  # fmt: skip
def test_a_sentence_that_a_person_can_act_on(
    code: ReasonCode, args: dict[str, int | float | str | None], text: str
) -> None:
    assert sentence(code, args, LAB) == text


def test_the_first_in_line_is_behind_nobody() -> None:
    assert sentence(C.IN_LINE, {}, Live(pool="lab", ahead=0)) == "next in line in pool lab"


def test_a_drained_pool_says_why() -> None:
    live = Live(pool="local", pool_reason="new disks until noon")
    assert sentence(C.POOL_DRAINED, {}, live) == "pool local is drained: new disks until noon"
    assert sentence(C.POOL_DRAINED, {}, Live(pool="local")) == "pool local is drained and starts no new jobs"
    assert sentence(C.POOL_UNREACHABLE, {}, Live(pool="local")) == "pool local can't be reached now"


@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_code_is_a_sentence_even_when_nothing_is_known(code: ReasonCode) -> None:
    text = Reason(code).sentence()
    assert text and "None" not in text and not text.endswith(".") and len(code.value) <= 48


def test_a_code_of_a_later_version_is_readable() -> None:
    assert sentence("lost_in_space", {}) == "lost in space"


def test_places_in_line() -> None:
    assert [ordinal(n) for n in (1, 3, 11, 12, 21, 22, 103, 111)] == [
        "first", "third", "11th", "12th", "21st", "22nd", "103rd", "111th",
    ]  # fmt: skip


def seen(
    cause: EndCause | None, exit_code: int | None = None, signal: int | None = None, detail: str = ""
) -> Observation:
    return Observation(phase=Phase.ENDED, cause=cause, exit_code=exit_code, signal=signal, detail=detail)


FACTS = EndFacts(max_duration=60, memory_tenths=40, by="Ada", node="n1")


@pytest.mark.parametrize(
    ("observation", "code"),
    [
        (seen(EndCause.EXITED, 1), C.EXITED), (seen(EndCause.EXITED, 75), C.SAVED),
        (seen(EndCause.SIGNALED, signal=9), C.SIGNALED),
        (seen(EndCause.STOPPED, 143), C.STOPPED), (seen(EndCause.TIMED_OUT), C.TIMED_OUT),
        (seen(EndCause.OUT_OF_MEMORY), C.OUT_OF_MEMORY), (seen(EndCause.DISK_FULL, 1), C.DISK_FULL),
        (seen(EndCause.COMMAND_NOT_FOUND, 127), C.COMMAND_NOT_FOUND), (seen(EndCause.SETUP_FAILED, 2), C.SETUP_FAILED),
        (seen(EndCause.NOT_STARTED, detail="x"), C.NOT_STARTED), (seen(EndCause.MACHINE_LOST), C.MACHINE_LOST),
        (seen(None, 3), C.EXITED), (seen(None, signal=6), C.SIGNALED), (seen(None), C.ENDED),
    ],
)  # fmt: skip
def test_every_end_has_its_reason(observation: Observation, code: ReasonCode) -> None:
    reason = end_reason(observation, FACTS)
    assert reason is not None and reason.code is code


def test_every_cause_is_told() -> None:
    assert all(end_reason(seen(cause, 1), FACTS) for cause in EndCause)


def test_success_needs_no_reason() -> None:
    assert end_reason(seen(EndCause.EXITED, 0)) is None


@pytest.mark.parametrize(
    ("why", "text"),
    [
        (StopReason.REQUESTED, "stopped by Ada"), (StopReason.MAX_DURATION, "ran longer than its max_duration of 1m"),
        (StopReason.DRAIN, "stopped because its pool was drained"), (StopReason.PREEMPTED, "higher priority"),
    ],
)  # fmt: skip
def test_a_stop_tells_who_or_what_ordered_it(why: StopReason, text: str) -> None:
    reason = end_reason(seen(EndCause.STOPPED), EndFacts(stopped=why, by="Ada", max_duration=60))
    assert reason is not None and text in reason.sentence()
