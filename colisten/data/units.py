"""Moments that a wrong unit explains: a thousand times too near to 1970, or too far from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from colisten.data.moments import EARLIEST, microseconds

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
        found: SQL predicate: the moment becomes a likely one by the factor; never null.
        ahead: Whether what is written lies too far ahead; else it is too early.
        detail: What is wrong, in words.
        do: The line of pandas that mends it.
    """

    found: str
    ahead: bool
    detail: str
    do: str


def units(column: str, last: datetime) -> list[WrongUnit]:
    """The wrong units that can be told from a value: what they give lies from 1990 to `last`."""
    least, most = microseconds(EARLIEST), microseconds(last)
    # The ends of DuckDB's calendar have no microseconds.
    written = f"coalesce(epoch_us({column})::DOUBLE, 0)"
    distance = f"(frame['{column}'] - {_EPOCH})"

    def mended(by: str) -> str:
        return (
            "Correct the unit where they are written, or all of them at once: "
            f"frame['{column}'] = {_EPOCH} + {distance} {by}."
        )

    early = [
        WrongUnit(
            f"{written} BETWEEN {least / factor} AND {most / factor}",
            False,
            f"{times} times too near to 1970, as {_READ_AS[factor]} are",
            mended(f"* {factor}"),
        )
        for factor, times in _TIMES.items()
    ]
    ahead = WrongUnit(
        f"{written} BETWEEN {least * 1000} AND {most * 1000}",
        True,
        "a thousand times too far from 1970, as milliseconds read as seconds are",
        mended("// 1000"),
    )
    return [*early, ahead]
