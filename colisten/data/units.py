"""Moments that a wrong unit explains: a thousand times too near to 1970, or too far from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from colisten.data.moments import EARLIEST, from_microseconds, microseconds

_TIMES = {10**3: "a thousand", 10**6: "a million", 10**9: "a billion"}
_READ_AS = {
    10**3: "seconds read as milliseconds",
    10**6: "seconds read as microseconds",
    10**9: "seconds read as nanoseconds",
}
# Of whole seconds: as nanoseconds, the unit of pandas' own choice, it would end in 2262.
_EPOCH = "pandas.Timestamp(0, tz='UTC').as_unit('s')"


@dataclass(frozen=True)
class WrongUnit:
    """A factor between what is written and what is meant.

    Attributes:
        explains: SQL predicate: the moment becomes a likely one by the factor; never null.
        ahead: Whether what is written lies too far ahead; else it is too early.
        detail: What is wrong, in words.
        do: The line of pandas that mends it.
    """

    explains: str
    ahead: bool
    detail: str
    do: str


def units(column: str, last: datetime, *, days_are_meant: bool = False) -> list[WrongUnit]:
    """The wrong units that can be recognised by a value: what they give lies from 1990 to `last`.

    Args:
        column: In SQL and in a frame of pandas.
        last: The last likely moment.
        days_are_meant: Whether a whole day of January 1970 is taken as it stands: as a date it may
            be meant, while a wrong unit gives a second of it.
    """
    least, most = microseconds(EARLIEST), microseconds(last)
    # The ends of DuckDB's calendar have no microseconds.
    written = f"coalesce(epoch_us({column})::DOUBLE, 0)"
    not_a_whole_day = f" AND NOT coalesce(epoch_us({column}) % 86400000000 = 0, false)"
    frame = f"frame['{column}']"

    def mended(rows: str, by: str) -> str:
        # The other rows stay: where two writers met, one of them may be right.
        distance = f"({frame}.where({rows}) - {_EPOCH}){by}"
        return (
            "Correct the unit where they are written, or of these rows: "
            f"{frame} = ({_EPOCH} + {distance}).fillna({frame})."
        )

    early = []
    for factor, times in _TIMES.items():
        ends = (from_microseconds(-(-least // factor)), from_microseconds(most // factor))
        rows = f"{frame}.between({', '.join(repr(str(end)) for end in ends)})"
        if days_are_meant:
            rows += f" & ({frame} != {frame}.dt.tz_convert('UTC').dt.floor('D'))"
        likely = f"{written} BETWEEN {least / factor} AND {most / factor}"
        early.append(
            WrongUnit(
                f"{likely}{not_a_whole_day if days_are_meant else ''}",
                False,
                f"{times} times too near to 1970, as {_READ_AS[factor]} are",
                mended(rows, f" * {factor}"),
            )
        )
    years = [_year(end * 1000) for end in (least, most)]
    ahead = WrongUnit(
        f"{written} BETWEEN {least * 1000} AND {most * 1000}",
        True,
        "a thousand times too far from 1970, as milliseconds read as seconds are",
        # Years, for pandas writes no date so far ahead; microseconds, lest they be cut off.
        mended(f"{frame}.dt.year.between({years[0]}, {years[1]})", ".dt.as_unit('us') // 1000"),
    )
    return [*early, ahead]


def _year(count: int) -> int:
    """The year of a moment beyond Python's calendar, in microseconds since 1970."""
    return 1970 + int(count / 1_000_000 / 86_400 / 365.2425)
