"""One clock rule: any text and any moment gets a moment or one sentence, never an overflow."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data import moments
from colisten.data.moments import (
    CLOCK_SKEW,
    EARLIEST,
    EPOCH,
    LATEST,
    clock_fault,
    days_from,
    from_microseconds,
    newest,
    parse_moment,
    sql_moment,
    utc,
)
from colisten.errors import ConfigError

ROOT = Path(__file__).parents[2]
NOW = datetime(2025, 6, 16, 12, tzinfo=UTC)
# Zones as far as Python goes: the calendar's first and last days fall off its ends in them.
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.one_of(
    st.datetimes(timezones=ZONES),
    st.datetimes(max_value=datetime(1, 1, 3), timezones=ZONES),
    st.datetimes(min_value=datetime(9999, 12, 29), timezones=ZONES),
    st.datetimes(datetime(1989, 12, 31), datetime(1990, 1, 2), timezones=ZONES),
)
TEXTS = st.one_of(
    st.text(st.characters(), max_size=40),
    MOMENTS.map(datetime.isoformat),
    st.datetimes().map(datetime.isoformat),
    st.from_regex(r"[0-9T:+\-ZW., ]{0,40}", fullmatch=True),
)
YEAR_1_IN_THE_EAST = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
YEAR_9999_IN_THE_WEST = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-14)))


@given(TEXTS, st.booleans())
def test_a_text_is_a_moment_within_the_calendar_or_one_clear_line(text: str, zone: bool) -> None:
    try:
        moment = parse_moment(text, "--cut", zone_needed=zone)
    except ConfigError as error:
        said = str(error)
        assert said.startswith("--cut ")
        assert said.isprintable()
        assert len(said) < 400
    else:
        assert EARLIEST <= moment <= LATEST
        assert moment.tzinfo is UTC
        written = datetime.fromisoformat(text.upper())
        assert moment == (written if written.tzinfo else written.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0001-01-01T00:00+14:00", "is outside 1990-01-01 to 2200-01-01"),
        ("9999-12-31T23:59-14:00", "is outside 1990-01-01 to 2200-01-01"),
        ("1969-12-31T23:59:59Z", "is outside"),
        ("20000-01-01", "is no moment. Write it as 2025-06-16."),
        ("", "--cut '' is no moment"),
        # A date with a zone is not a date with an hour.
        ("2025-06-16+02:00", "is no moment"),
        ("2025-06-16-05:00", "is no moment"),
        ("2025-06-16Z", "is no moment"),
        ("2025-W25-1+02:00", "is no moment"),
        ("2025-06-16\x0012:00:00Z", "is no moment"),
        ("2025-06-16\n\x1b[31m\ud800", r"'2025-06-16\\n\\x1b\[31m\\ud800' is no moment"),
        ("9" * 5_000, r"'9{60}'\.\.\. is no moment"),
    ],
)
def test_a_bad_moment_is_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_moment(text, "--cut")


def test_a_moment_without_a_zone_is_utc_or_refused() -> None:
    assert parse_moment("2025-06-16", "--cut") == datetime(2025, 6, 16, tzinfo=UTC)
    for text in ("2025-06-16T14:00+02:00", "2025-06-16t12:00:00z", "2025-06-16 12:00:00Z"):
        assert parse_moment(text, "--at", zone_needed=True) == NOW
    with pytest.raises(ConfigError, match=r"has no time zone\. Write it as 2025-06-16T12:00:00Z"):
        parse_moment("2025-06-16T14:00", "--at", zone_needed=True)


def test_the_borders_of_what_can_have_happened() -> None:
    tick = timedelta(microseconds=1)
    assert clock_fault(EARLIEST, now=NOW) is None
    assert "before 1990-01-01" in str(clock_fault(EARLIEST - tick, now=NOW))
    assert clock_fault(NOW + CLOCK_SKEW, now=NOW) is None
    assert clock_fault(NOW + CLOCK_SKEW + tick, now=NOW) == "lies in the future"
    assert "no time zone" in str(clock_fault(datetime(2025, 1, 1), now=NOW))
    assert "before" in str(clock_fault(YEAR_1_IN_THE_EAST))
    assert "future" in str(clock_fault(YEAR_9999_IN_THE_WEST))


@given(MOMENTS, MOMENTS)
def test_no_moment_overflows(moment: datetime, now: datetime) -> None:
    fault = clock_fault(moment, now=now)
    assert (fault is None) == (EARLIEST <= moment <= newest(now))
    written = utc(moment)
    assert written.tzinfo is UTC
    if EPOCH - timedelta(days=1) < moment < LATEST:
        assert written == moment
        assert from_microseconds(moments.microseconds(moment)) == moment


@given(MOMENTS, st.integers())
def test_days_are_counted_to_the_end_of_the_calendar(moment: datetime, days: int) -> None:
    there = days_from(moment, days)
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    exact = moments.microseconds(utc(moment)) + days * 86_400_000_000
    least, most = moments.microseconds(first), moments.microseconds(last)
    assert moments.microseconds(there) == min(max(exact, least), most)


@given(st.integers())
def test_any_count_of_microseconds_is_a_moment(count: int) -> None:
    back = moments.microseconds(from_microseconds(count))
    if EARLIEST <= from_microseconds(count) <= LATEST:
        assert back == count
    assert abs(back) <= abs(count)


@settings(deadline=None)  # a busy machine opens a connection slowly
@given(st.datetimes(timezones=ZONES))
def test_sql_reads_a_moment_as_it_is(moment: datetime) -> None:
    with duckdb.connect() as connection:
        [(count,)] = connection.execute(f"SELECT epoch_us({sql_moment(moment)})").fetchall()
    assert count == moments.microseconds(utc(moment))


def test_a_moment_without_a_zone_has_no_utc() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        utc(datetime(2025, 1, 1))


def test_moments_are_read_from_text_in_one_place() -> None:
    rooms = ("colisten", "feature_repo", "monitoring", "serving", "components", "pipelines", "cli")
    readers = {
        file.relative_to(ROOT).as_posix()
        for room in rooms
        for file in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("fromisoformat", "strptime")
    }
    assert readers == {"colisten/data/moments.py"}


def test_a_cut_without_a_zone_has_no_window() -> None:
    with pytest.raises(ConfigError, match="no time zone"):
        moments.window_end(datetime(2025, 6, 1), 14)
