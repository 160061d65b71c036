"""The one clock rule: which moments can be, and how a moment is read from text.

Every door asks here: the table contract, an event over HTTP or from the shell, a moment on the
command line or in a pipeline's parameters, the files of an experiment. What one door accepts as
the time of something that happened, no other refuses.

Nothing here overflows. A moment at either end of the calendar, in a zone that carries it beyond
the end, is refused in words or compared rightly; `datetime.astimezone` raises `OverflowError`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from colisten.errors import ConfigError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""What times in arrays are counted from, in microseconds."""

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Moments before this one are taken for a broken clock or a wrong unit."""

LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""No plan reaches further. Any window fits behind it, and so do the nanoseconds of pandas and
Feast, which end in 2262."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far a sender's clock may run ahead of ours before its moments lie in the future."""

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SHOWN_CHARS = 60
# `datetime.fromisoformat` takes any character between date and time, so that a date with a zone,
# `2025-06-16+02:00`, would be two in the morning.
_DATE = r"\d{4}-\d\d-\d\d|\d{8}|\d{4}-?W\d\d(?:-?\d)?"
_MOMENT = re.compile(rf"(?:{_DATE})(?:[T ].+)?", re.ASCII | re.IGNORECASE | re.DOTALL)
# How Kubeflow fills in `[[ScheduledTime]]`: year to second in UTC, without a sign between.
_DIGITS = re.compile(r"(\d{8})(\d{6})", re.ASCII)


def newest(now: datetime | None = None) -> datetime:
    """The newest moment at which something can have happened.

    Args:
        now: What the clock says; default this machine's.
    """
    clock = now or datetime.now(UTC)
    return _LAST if clock > _LAST - CLOCK_SKEW else utc(clock) + CLOCK_SKEW


def clock_fault(moment: datetime, *, now: datetime | None = None) -> str | None:
    """Why something cannot have happened at a moment, in words; None where it can.

    Args:
        moment: When it happened, by whoever reports it.
        now: What the clock says; default this machine's.
    """
    if moment.utcoffset() is None:
        return "has no time zone, so it does not say which instant it means"
    if moment < EARLIEST:
        return f"lies before {EARLIEST:%Y-%m-%d}, most likely a wrong unit or a default date"
    if moment > newest(now):
        return "lies in the future"
    return None


def parse_moment(text: object, name: str, *, zone_needed: bool = False) -> datetime:
    """A UTC moment from ISO 8601: a date, or a date and time; or from 14 digits, as schedulers do.

    Args:
        text: What was written, whatever it is.
        name: What it was written for, such as `--cut`, for the message.
        zone_needed: Whether text without a zone is refused; else it is UTC.

    Raises:
        ConfigError: It is no moment, has no zone where one is demanded, or lies before
            `EARLIEST` or after `LATEST`.
    """
    written = text if isinstance(text, str) else repr(text)
    given = f"{name} {written[:_SHOWN_CHARS]!r}{'...' if len(written) > _SHOWN_CHARS else ''}"
    example = "2025-06-16T12:00:00Z" if zone_needed else "2025-06-16"
    do = f"Write it as {example}."
    if digits := _DIGITS.fullmatch(written):
        written = f"{digits[1]}T{digits[2]}{'' if zone_needed else 'Z'}"
    try:
        if not _MOMENT.fullmatch(written):
            raise ValueError(written)
        # Python 3.11 knows RFC 3339's `t` and `z` as capitals alone.
        moment = datetime.fromisoformat(written.upper())
    except ValueError as error:
        raise ConfigError(f"{given} is no moment.", do) from error
    if moment.utcoffset() is None:
        if zone_needed:
            raise ConfigError(f"{given} has no time zone.", do)
        moment = moment.replace(tzinfo=UTC)
    if not EARLIEST <= moment <= LATEST:
        span = f"{EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}"
        raise ConfigError(f"{given} is outside {span}.", do)
    return moment.astimezone(UTC)


def utc(moment: datetime) -> datetime:
    """A moment in UTC; one that UTC cannot write becomes the end of the calendar.

    Args:
        moment: With a zone.

    Raises:
        ValueError: It has none.
    """
    if moment.utcoffset() is None:
        raise ValueError(f"The moment {moment} has no time zone.")
    return moment.astimezone(UTC) if _FIRST <= moment <= _LAST else min(max(moment, _FIRST), _LAST)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC of a moment with a zone; finer is cut off."""
    return (moment - EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """The UTC moment so many microseconds after 1970; the end of the calendar beyond it."""
    least, most = microseconds(_FIRST), microseconds(_LAST)
    return EPOCH + timedelta(microseconds=min(max(int(count), least), most))


def days_from(moment: datetime, days: int) -> datetime:
    """The UTC moment so many days later, or earlier where negative; never beyond the calendar."""
    start = utc(moment)
    if days < (_FIRST - start).days + 1:
        return _FIRST
    return _LAST if days > (_LAST - start).days else start + timedelta(days=days)


def window_end(cut: datetime, window_days: int) -> datetime:
    """The UTC moment at which the window that begins at a cut ends.

    Raises:
        ConfigError: The cut has no zone, or the window is empty or ends after `LATEST`.
    """
    if cut.utcoffset() is None:
        raise ConfigError(f"The cut {cut} has no time zone.", "Pass a UTC datetime.")
    if window_days < 1:
        raise ConfigError(f"A window of {window_days} days is empty.", "Give at least one day.")
    if window_days > (LATEST - utc(cut)).days:
        raise ConfigError(
            f"A window of {window_days:,} days from {utc(cut):%Y-%m-%d} ends after {LATEST:%Y}.",
            "Give the days after the cut that measure the release, e.g. 28.",
        )
    return days_from(cut, window_days)


def sql_moment(moment: datetime) -> str:
    """A moment as an SQL literal, to the microsecond, since a view takes no parameters.

    Raises:
        ValueError: It has no zone.
    """
    return f"TIMESTAMPTZ '{utc(moment).isoformat(sep=' ', timespec='microseconds')}'"
