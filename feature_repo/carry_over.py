"""Rows that events changed since the cut, from a SQLite online store into its successor.

The tables of a rebuild end at the cut and a service goes on storing events, which nobody but the
old file has. Redis keeps such rows by itself, being newer than those that come; here they are
copied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from colisten.data.moments import newest, utc

PATIENCE_SECONDS = 30.0


@contextmanager
def writers_waiting(file: Path) -> Iterator[None]:
    """Hold up whoever writes a SQLite file, so that it can be read and replaced meanwhile.

    Writers find the new file when it is their turn (`colisten.features.row_turns`).
    """
    if not file.exists():
        yield
        return
    with closing(
        sqlite3.connect(file, timeout=PATIENCE_SECONDS, isolation_level=None)
    ) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def carry_over(old: Path, new: Path, as_of: datetime) -> int:
    """Copy the rows of moments from `as_of` on; returns how many cells that were.

    A row whose moment is none, or lies in the future, is damaged and stays behind.
    """
    if not old.exists():
        return 0
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS old", (str(old),))
        tables = [_tables(connection, place) for place in ("main", "old")]
        connection.execute("BEGIN")
        copied = 0
        for name in sorted(tables[0] & tables[1]):
            copied += connection.execute(
                f"INSERT OR REPLACE INTO main.{name} SELECT * FROM old.{name} "
                "WHERE typeof(event_ts) = 'integer' AND event_ts BETWEEN ? AND ?",
                (stored_moment(as_of), stored_moment(newest())),
            ).rowcount
        connection.execute("COMMIT")
    return copied


def _tables(connection: sqlite3.Connection, place: str) -> set[str]:
    """Quoted names of tables that hold features, with their columns as Feast writes them."""
    found = connection.execute(
        f"SELECT name FROM {place}.sqlite_master WHERE type = 'table' AND sql LIKE '%event_ts%'"
    )
    return {'"{}"'.format(name.replace('"', '""')) for (name,) in found}


def stored_moment(moment: datetime) -> int:
    """A moment as Feast's SQLite store writes it: seconds, of a UTC clock read as local."""
    return int(utc(moment).replace(tzinfo=None).timestamp())
