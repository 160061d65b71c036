"""Which rows of an experiment's logs count: those between its dates, and windows after showings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from numbers import Real
from typing import TYPE_CHECKING

from colisten.data.moments import EARLIEST, microseconds
from colisten.errors import ConfigError
from colisten.experiments.design import MOST_HOURS

if TYPE_CHECKING:
    import duckdb

HOUR = 3_600_000_000
"""In microseconds."""

_FOREVER = 2**62


@dataclass(frozen=True)
class Dates:
    """From when and until when rows count.

    Attributes:
        start: Showings before it are none of the experiment's; None: all are.
        end: Showings and events from it on are none; None: all are.
    """

    start: datetime | None = None
    end: datetime | None = None

    @property
    def params(self) -> dict[str, int]:
        """Of queries, in microseconds since 1970."""
        return {
            "start": microseconds(self.start or EARLIEST),
            "end": _FOREVER if self.end is None else microseconds(self.end),
        }

    @property
    def said(self) -> str:
        """Them in words."""
        words = [
            f"{word} {moment:%Y-%m-%d %H:%M} UTC"
            for word, moment in (("from", self.start), ("until", self.end))
            if moment is not None
        ]
        return " ".join(words) or "at any date"

    def last_row(self, connection: duckdb.DuckDBPyConnection, *views: str) -> int:
        """Moment of the last row of views, in microseconds; at most the end."""
        newest = ", ".join(f"(SELECT max(epoch_us(timestamp)) FROM {view})" for view in views)
        query = f"SELECT least($end, greatest({newest}))"
        [(moment,)] = connection.execute(query, {"end": self.params["end"]}).fetchall()
        return int(moment)


ALWAYS = Dates()
"""Without a design every row counts."""


def attribution_window(hours: float) -> int:
    """Hours in microseconds.

    Raises:
        ConfigError: They are not above 0 and at most `MOST_HOURS`.
    """
    known = isinstance(hours, Real) and not isinstance(hours, bool)
    if not known or not 0 < hours <= MOST_HOURS:
        raise ConfigError(
            f"The attribution window of {hours!r} hours is not above 0 and at most {MOST_HOURS}.",
            "Say e.g. 72.",
        )
    return max(1, round(hours * HOUR))
