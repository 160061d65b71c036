"""Times of an export as instants, in SQL: ISO 8601, counts since 1970, or a format that is named.

A count is told by its size: what lies from 1990 on in seconds, milliseconds, microseconds or
nanoseconds is of that unit, for no two of them meet. A text with a zone keeps it; one without is
of the zone that the mapping names.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from functools import cache

import duckdb

from colisten.data.sql import sql_text
from colisten.errors import ConfigError
from colisten.words import nearest

_ZONE = r"(?i)(\d ?(z|utc|gmt)|:\d{2}(:\d{2}(\.\d+)?)? ?[+-]\d{2}(:?\d{2})?)$"
_COUNT = r"^-?\d{9,19}(\.\d*)?$"
# Counts of at least so many are of the unit: seconds of 1979 to 5138, and a thousand times that.
_UNITS = ((10**17, "// 1000"), (10**14, "// 1"), (10**11, "* 1000"), (0, "* 1000000"))
_FORMATS = tuple(
    f"{day}{clock}"
    for day in (
        *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d"),
        *("%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d-%b-%Y"),
    )
    for clock in ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
)


@dataclass(frozen=True)
class Moment:
    """A column of theirs as instants.

    Attributes:
        sql: TIMESTAMPTZ; null where there is none or it cannot be read.
        zoneless: SQL predicate: it names no zone.
        local: TIMESTAMP of those, as written; to look for hours that a clock skips or repeats.
    """

    sql: str
    zoneless: str
    local: str


def moment(column: str, kind: str, zone: str | None, form: str | None) -> Moment:
    """How a column becomes instants.

    Args:
        column: As SQL.
        kind: Its DuckDB type.
        zone: Of what names none; UTC where nobody says.
        form: As in strptime; None reads ISO 8601 and counts.
    """
    place = sql_text(zone or "UTC")
    cut = f"make_timestamp(epoch_ns({column}) // 1000)"  # a cast would round up
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"):
        instant = column if kind != "TIMESTAMPTZ_NS" else f"timezone('UTC', {cut})"
        return Moment(instant, "false", "NULL::TIMESTAMP")
    if kind == "TIMESTAMP_NS":
        column = cut
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        local = f"CAST({column} AS TIMESTAMP)"
        return Moment(f"timezone({place}, {local})", f"{column} IS NOT NULL", local)
    text = f"trim(CAST({column} AS VARCHAR))"
    if form is not None:
        read = f"try_strptime({text}, {sql_text(form)})"
        if "%z" in form or "%Z" in form:
            return Moment(read, "false", "NULL::TIMESTAMP")
        return Moment(f"timezone({place}, {read})", f"{read} IS NOT NULL", read)
    counted = f"regexp_matches({text}, {sql_text(_COUNT)})"
    zoned = f"regexp_matches({text}, {sql_text(_ZONE)})"
    joined = f"regexp_replace({text}, ' ([+-])', '\\1')"
    local = f"TRY_CAST({text} AS TIMESTAMP)"
    plain = f"NOT {counted} AND NOT {zoned} AND {local} IS NOT NULL"
    return Moment(
        f"CASE WHEN {counted} THEN {_of_count(text)} "
        f"WHEN {zoned} THEN TRY_CAST({joined} AS TIMESTAMPTZ) "
        f"ELSE timezone({place}, {local}) END",
        f"({plain})",
        f"CASE WHEN {plain} THEN {local} END",
    )


def shifted(found: Moment, zone: str) -> str:
    """SQL predicate: a local time that the zone's clock skipped or showed twice."""
    place = sql_text(zone)

    def seen(instant: str) -> str:
        return f"timezone({place}, {instant})"

    instant = f"timezone({place}, {found.local})"
    return (
        f"({seen(instant)} <> {found.local} OR {seen(f'{instant} + INTERVAL 1 HOUR')} = "
        f"{found.local} OR {seen(f'{instant} - INTERVAL 1 HOUR')} = {found.local})"
    )


def known_zone(zone: str) -> str:
    """The zone, where the calendar knows it; raises ConfigError that names the nearest."""
    if zone in _zones():
        return zone
    raise ConfigError(
        f"The mapping's timezone '{zone}' is unknown.",
        f"The nearest known one is '{nearest(zone, _zones())}'.",
    )


def fitting_formats(connection: duckdb.DuckDBPyConnection, texts: list[str]) -> list[str]:
    """Formats by which every one of some texts can be read."""
    fits: list[str] = []
    for form in _FORMATS:
        values = ", ".join(f"({sql_text(text)})" for text in texts)
        row = connection.execute(
            f"SELECT bool_and(try_strptime(trim(t), {sql_text(form)}) IS NOT NULL) "
            f"FROM (VALUES {values}) AS v(t)"
        ).fetchone()
        if row and row[0]:
            fits.append(form)
    return fits


def _of_count(text: str) -> str:
    number = f"TRY_CAST({text} AS DECIMAL(38, 9))"
    whole = f"CAST(floor({number} * 1000000) AS HUGEINT)"
    cases = " ".join(
        f"WHEN abs({number}) >= {least} "
        f"THEN make_timestamp(CAST({whole} // 1000000 {by} AS BIGINT))"
        for least, by in _UNITS[:-1]
    )
    return f"timezone('UTC', CASE {cases} ELSE make_timestamp(CAST({whole} AS BIGINT)) END)"


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
