import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.durations import YEAR, format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("2h", 7200), ("90m", 5400), ("1d12h", 129_600), (" 1d 12h ", 129_600), ("1.5h", 5400), (90, 90), ("90", 90)],
)
def test_reads_what_people_write(written: object, seconds: int) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize("written", ["", "soon", "2 hours", "1h1h", "-5m", True, None, [], "1:30:00", float("nan")])
def test_refuses_the_rest_in_a_sentence(written: object) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|Give a duration"):
        parse_duration(written)


@pytest.mark.parametrize("written", [0, "400d", 10**30, float("inf")])
def test_bounds(written: object) -> None:
    with pytest.raises(ValueError, match="from 1s to 366d"):
        parse_duration(written)


@given(st.integers(1, YEAR))
def test_what_is_shown_reads_back_the_same(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
