"""Who is ranked for, and what may be shown to them: everything strictly before the cut.

Warm users have any signal on the target type before the cut, cold ones have none (paper section
4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa

from colisten.data.moments import microseconds, utc
from colisten.ranking.events import EventLog
from colisten.ranking.ragged import Ragged


@dataclass(frozen=True, eq=False)
class EligibleUsers:
    """Users with any event before the cut and what may be shown to them.

    Items are positions within the catalogue's slice of the target type.

    Attributes:
        user_ids: object [num_users], ascending.
        warm: bool [num_users]; any signal on the target type before the cut.
        exclusions: Items each user started before the cut.
        available: bool [num_target]; published before the cut, or without a date, or with an
            event before it. Only these are candidates.
        cut: The moment that everything here lies before.
        target_type: The recommended item type.
    """

    user_ids: np.ndarray
    warm: np.ndarray
    exclusions: Ragged
    available: np.ndarray
    cut: datetime
    target_type: str

    def __len__(self) -> int:
        return len(self.user_ids)

    def take(self, rows: np.ndarray) -> EligibleUsers:
        """Some of them, int64 [R]."""
        return EligibleUsers(
            user_ids=self.user_ids[rows],
            warm=self.warm[rows],
            exclusions=self.exclusions.take(rows),
            available=self.available,
            cut=self.cut,
            target_type=self.target_type,
        )

    @property
    def num_candidates(self) -> int:
        """Items that can be recommended at the cut."""
        return int(self.available.sum())


def eligible_users(events: EventLog, cut: datetime) -> EligibleUsers:
    """Every user with an event before the cut: those whom a release must answer.

    Args:
        events: Events; those at or after `cut` are not read.
        cut: UTC moment.

    Raises:
        EvaluationError: A file is missing or `cut` has no time zone.
    """
    with events.tables(cut) as tables:
        read_past(tables)
        tables.execute("CREATE TEMP TABLE people AS SELECT * FROM known")
        return read_people(tables, events, cut)


def read_past(tables: duckdb.DuckDBPyConnection) -> None:
    """Add the tables `known` (users and whether they are warm) and `seen_items`."""
    tables.execute(_KNOWN)
    tables.execute(_SEEN)


def read_people(
    tables: duckdb.DuckDBPyConnection, events: EventLog, cut: datetime
) -> EligibleUsers:
    """The users of the table `people`, made from `known`, with what may be shown to them."""
    people = tables.sql(_PEOPLE).to_arrow_table()
    pairs = tables.sql(_EXCLUSIONS).to_arrow_table()
    touched = column(tables.sql(_TOUCHED).to_arrow_table(), "local")
    available = _published(events, cut)
    available[touched] = True
    user_ids = np.empty(len(people), dtype=object)
    user_ids[:] = people.column("user_id").to_pylist()
    return EligibleUsers(
        user_ids=user_ids,
        warm=column(people, "warm").astype(bool),
        exclusions=Ragged.of(column(pairs, "row"), column(pairs, "local"), len(people)),
        available=available,
        cut=utc(cut),
        target_type=events.data.target_type,
    )


def _published(events: EventLog, cut: datetime) -> np.ndarray:
    """Items of the target type published before the cut or without a date, bool [num_target]."""
    dates = events.catalogue.table.column("published_at").cast(pa.timestamp("us", tz="UTC"))
    moments = dates.slice(events.target.start, events.num_target).cast(pa.int64())
    earliest = np.iinfo(np.int64).min
    published = moments.fill_null(earliest).to_numpy() < microseconds(cut)
    return np.array(published, dtype=bool)


def column(table: pa.Table, name: str) -> np.ndarray:
    """A column as an array."""
    values: np.ndarray = table.column(name).to_numpy()
    return values


_KNOWN = """
    CREATE TEMP TABLE known AS
    SELECT user_id, bool_or(is_target) AS warm FROM past GROUP BY user_id
"""
_SEEN = """
    CREATE TEMP TABLE seen_items AS
    SELECT DISTINCT user_id, item_id FROM past WHERE is_start
"""
_PEOPLE = "SELECT user_id, warm FROM people ORDER BY user_id"
PEOPLE_ROWS = "SELECT user_id, row_number() OVER (ORDER BY user_id) - 1 AS row FROM people"
_EXCLUSIONS = f"""
    SELECT row, local
    FROM seen_items JOIN ({PEOPLE_ROWS}) USING (user_id) JOIN candidates USING (item_id)
"""
_TOUCHED = """
    SELECT DISTINCT local FROM past JOIN candidates USING (item_id) WHERE is_target
"""
