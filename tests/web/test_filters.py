"""What pages print: each filter at its edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from app.web import filters
from app.web.browsers import browser

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=4.9), "just now"),
        (timedelta(seconds=5), "5 s ago"),
        (timedelta(seconds=61), "1 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=31), "1 Feb 2026"),
        (timedelta(days=-3, seconds=-1), "in 3 d"),
        (timedelta(days=-7, seconds=1), "in 7 d"),
        (timedelta(minutes=-10, seconds=1), "in 10 min"),
        (timedelta(hours=-1, minutes=-20), "in 1 h"),
    ],
)
def test_ago_is_coarse_and_works_both_ways(before: timedelta, text: str) -> None:
    assert filters.ago(NOW - before, NOW) == text


def test_a_missing_time_is_a_dash() -> None:
    assert filters.ago(None, NOW) == filters.elapsed(None, None, NOW) == "–"
    assert filters.iso(None) == filters.stamp(None) == ""


def test_times_are_written_in_utc() -> None:
    at = datetime(2026, 3, 4, 1, 2, 3, 999999, tzinfo=timezone(timedelta(hours=2)))
    assert filters.iso(at) == "2026-03-03T23:02:03Z"
    assert filters.stamp(at) == "2026-03-03 23:02:03 UTC"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (64, "1m 04s"),
        (7500, "2h 05m"),
        (3 * 86400 + 3600, "3d 01h"),
        (-5, "0s"),
        (None, "–"),
    ],
)
def test_duration_has_two_units(seconds: float | None, text: str) -> None:
    assert filters.duration(seconds) == text


def test_elapsed_runs_on_until_there_is_an_end() -> None:
    start = NOW - timedelta(minutes=2)
    assert filters.elapsed(start, None, NOW) == "2m 00s"
    assert filters.elapsed(start, start + timedelta(seconds=3), NOW) == "3s"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (12 << 20, "12 MiB"),
        (3 << 60, "3072 PiB"),
        (None, "–"),
    ],
)
def test_filesize_is_binary(size: int | None, text: str) -> None:
    assert filters.filesize(size) == text


def test_numbers_carry_commas_and_no_needless_zeros() -> None:
    assert [filters.number(n) for n in (1234567, 0.5, 4.0, 12.25, None)] == [
        "1,234,567",
        "0.5",
        "4",
        "12.25",
        "–",
    ]
    assert filters.gib(16) == "16 GiB"


def test_credits_keep_small_amounts_and_say_free() -> None:
    assert filters.credit("0") == "free"
    assert filters.credit("1.5") == "1.50 credits"
    assert filters.credit(Decimal("0.000125")) == "0.000125 credits"
    assert filters.credit(None) == "–"


def test_counted_agrees_with_the_number() -> None:
    assert [filters.counted(n, "job") for n in (0, 1, 1200)] == ["0 jobs", "1 job", "1,200 jobs"]
    assert filters.counted(2, "entry", "entries") == "2 entries"


def test_percent_stays_within_its_bounds() -> None:
    assert [filters.percent(*p) for p in ((0, 8), (1, 1000), (4, 8), (9, 8), (1, 0))] == [0, 1, 50, 100, 0]


def test_lines_for_a_text_area() -> None:
    assert filters.lines({"A": 1, "TOKEN": None}) == "A=1\nTOKEN="
    assert filters.lines(["a", "b"]) == "a\nb"
    assert filters.lines("as typed") == "as typed"
    assert filters.lines(None) == ""


@pytest.mark.parametrize(
    ("url", "changes", "expected"),
    [
        ("/jobs", {"state": "failed"}, "/jobs?state=failed"),
        ("/jobs?state=failed&q=a%20b", {"state": None}, "/jobs?q=a+b"),
        ("/jobs?cursor=abc", {"state": ""}, "/jobs"),
        ("/jobs?cursor=abc&q=x", {"cursor": "def"}, "/jobs?q=x&cursor=def"),
        ("/jobs?q=x", {"q": 'a"&b'}, "/jobs?q=a%22%26b"),
    ],
)
def test_but_changes_one_filter_and_starts_paging_afresh(url: str, changes: dict[str, str], expected: str) -> None:
    assert filters.but(url, **changes) == expected


def test_paired() -> None:
    assert filters.paired(["none", "user"]) == [("none", "none"), ("user", "user")]


def test_initials() -> None:
    names = ("Ada Lovelace", "grace", "a b c", "ada@example.org", "", None)
    assert [filters.initials(n) for n in names] == ["AL", "G", "AC", "AE", "?", "?"]


@pytest.mark.parametrize(
    ("user_agent", "text"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("curl/8.14", "curl/8.14"),
        ("", "Unknown browser"),
    ],
)
def test_browsers_are_named_as_people_do(user_agent: str, text: str) -> None:
    assert browser(user_agent) == text


def test_pretty_writes_what_json_cannot() -> None:
    assert "2026-03-04 12:00:00+00:00" in filters.pretty({"at": NOW})


def test_the_table_holds_every_filter_by_its_name() -> None:
    assert filters.FILTERS["ago"] is filters.ago
