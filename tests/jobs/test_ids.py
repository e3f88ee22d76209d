from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.db import new_id
from app.jobs.ids import created_at, first_id_at, ids_like


def test_an_id_tells_when_it_was_made() -> None:
    before = datetime.now(UTC)
    made = created_at(new_id("job"))
    assert before - timedelta(milliseconds=1) <= made <= datetime.now(UTC)


def test_the_first_id_of_a_moment_stands_between_those_before_and_after() -> None:
    thing = new_id("job")
    moment = created_at(thing)
    assert first_id_at("job", moment) <= thing < first_id_at("job", moment + timedelta(milliseconds=1))


def test_a_moment_between_two_milliseconds_counts_from_the_later_one() -> None:
    moment = datetime(2030, 1, 1, microsecond=1500, tzinfo=UTC)
    assert created_at(first_id_at("job", moment)) == datetime(2030, 1, 1, microsecond=2000, tzinfo=UTC)


def test_moments_before_the_epoch_and_after_all_ids_are_no_error() -> None:
    early = first_id_at("job", datetime(1, 1, 1, tzinfo=UTC))
    late = first_id_at("job", datetime(9999, 12, 31, tzinfo=UTC))
    assert early < new_id("job") < late


def test_the_beginning_of_an_id_is_a_range_of_ids() -> None:
    thing = new_id("job")
    assert ids_like(thing) == ids_like(thing.upper()) == (thing, thing)
    found = ids_like(thing[:12])
    assert found is not None and found[0] < thing < found[1]


def test_a_name_is_no_beginning_of_an_id() -> None:
    names = ("", "job_", "job_01", "job_train", "job_test", "train", f"{new_id('job')}0")
    assert [name for name in names if ids_like(name)] == []
