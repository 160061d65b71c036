"""Users of a window as a frame, and what is counted of tables, by DuckDB: within the window alone.

How much somebody did is counted within the window. Over a lifetime it only grows, so that every
window would differ from the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from colisten.data import parquet
from colisten.data.duckdb_connection import connect
from colisten.data.moments import EPOCH, utc
from colisten.data.sql import sql_name, sql_text
from colisten.monitoring.checks import TASTE
from colisten.settings.engine import Engine

COUNTRY = "country"
_KEYS = ("user_id", "item_id")
UNKNOWN = "unknown country"


@dataclass(frozen=True)
class Taste:
    """Directions in which item texts spread, so that taste is what users listen to.

    It hangs on no release: windows of different releases stay comparable.

    Attributes:
        item_ids: object [num_items].
        places: float64 [num_items, axes], each item's place on every axis; nan without text.
    """

    item_ids: np.ndarray
    places: np.ndarray


class WindowTables:
    """The tables of a history folder, read by window.

    Args:
        history: Folder with `interactions.parquet`, and `users.parquet` and `items.parquet` where
            there are any.
        taste: Where items lie; None leaves taste out.
        engine: How much of the machine DuckDB may use.

    A context manager: the methods read while it is open.
    """

    def __init__(self, history: Path, taste: Taste | None, engine: Engine) -> None:
        self._history = history
        self._taste = taste
        self._engine = engine
        self._types: list[str] = []

    def __enter__(self) -> Self:
        """Open DuckDB, to which the tables are views."""
        self._connection = connect(
            threads=self._engine.threads, memory_limit=self._engine.memory_limit
        )
        for name in ("interactions", "users", "items"):
            file = self._history / f"{name}.parquet"
            if file.exists():
                self._connection.execute(f"CREATE VIEW {name} AS FROM {parquet.scan(file)}")
        if self._taste is not None:
            self._connection.register("taste", _taste_table(self._taste))
        rows = self._connection.sql("SELECT DISTINCT item_type FROM interactions ORDER BY 1")
        self._types = [str(one) for (one,) in rows.fetchall()]
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def first(self) -> datetime | None:
        """The earliest moment of any event; None where there is no event."""
        return _moment(self._connection, "min")

    def last(self, until: datetime) -> datetime | None:
        """The latest moment before `until` of any event; None where there is none."""
        return _moment(self._connection, "max", until)

    def frame(self, since: datetime, until: datetime) -> pd.DataFrame:
        """One row per user who did anything in `[since, until)`.

        Columns: `user_id`, those of the users table, events by type, taste axes.
        """
        counts = [
            f"count(*) FILTER (item_type = {sql_text(name)})::DOUBLE "
            f"AS {sql_name(f'{name}_events')}"
            for name in self._types
        ]
        axes = 0 if self._taste is None else self._taste.places.shape[1]
        places = [f"avg(place_{at}) AS {sql_name(f'{TASTE}{at}')}" for at in range(axes)]
        joined = "LEFT JOIN taste USING (item_id)" if axes else ""
        own = self._user_columns()
        users = "LEFT JOIN users USING (user_id)" if own else ""
        frame: pd.DataFrame = self._connection.execute(
            f"""
            WITH done AS (
                SELECT {", ".join(["user_id", *counts, *places])}
                FROM interactions {joined}
                WHERE timestamp >= $since AND timestamp < $until
                GROUP BY user_id)
            SELECT {", ".join(["user_id", *map(sql_name, own), "done.* EXCLUDE (user_id)"])}
            FROM done {users} ORDER BY user_id
            """,
            {"since": utc(since), "until": utc(until)},
        ).df()
        return frame

    def registered(self) -> dict[str, int]:
        """Users of the users table by country; none where there is no such table or column."""
        if COUNTRY not in self._user_columns():
            return {}
        rows = self._connection.sql(f"SELECT {COUNTRY}, count(*) FROM users GROUP BY 1").fetchall()
        return {UNKNOWN if name is None else str(name): int(count) for name, count in rows}

    def null_shares(self) -> dict[str, dict[str, float]]:
        """By table and column, share of rows without a value; a table without rows has none."""
        shares: dict[str, dict[str, float]] = {}
        for table in ("users", "items"):
            names = [name for name in _columns(self._connection, table) if name not in _KEYS]
            if not names:
                continue
            known = ", ".join(f"count({sql_name(name)})" for name in names)
            rows, *counts = self._connection.sql(
                f"SELECT count(*), {known} FROM {table}"
            ).fetchall()[0]
            if rows:
                shares[table] = {
                    name: 1 - count / rows for name, count in zip(names, counts, strict=True)
                }
        return shares

    def _user_columns(self) -> list[str]:
        """Columns of the users table that are features: neither ids nor moments nor lists."""
        kinds = _columns(self._connection, "users")
        plain = ("VARCHAR", "FLOAT", "DOUBLE", "BOOLEAN")
        return [
            name
            for name, kind in kinds.items()
            if name != "user_id" and (kind in plain or "INT" in kind or kind.startswith("DECIMAL"))
        ]


def volumes(frame: pd.DataFrame) -> dict[str, int]:
    """Users and events of a window's frame, in all, by type and by country."""
    events = [name for name in frame.columns if name.endswith("_events")]
    counts = {"users": len(frame), "events": int(frame[events].to_numpy().sum())}
    for name in events:
        counts[f"{name.removesuffix('_events')} events"] = int(frame[name].sum())
    if COUNTRY in frame:
        for country, rows in frame[COUNTRY].fillna(UNKNOWN).value_counts().items():
            counts[f"{country} users"] = int(rows)
    return counts


def _taste_table(taste: Taste) -> pa.Table:
    columns: dict[str, Any] = {"item_id": pa.array(taste.item_ids.tolist(), pa.string())}
    for at in range(taste.places.shape[1]):
        columns[f"place_{at}"] = pa.array(taste.places[:, at], from_pandas=True)
    return pa.table(columns)


def _moment(
    connection: duckdb.DuckDBPyConnection, which: str, until: datetime | None = None
) -> datetime | None:
    before, values = ("", {}) if until is None else ("WHERE timestamp < $until", {"until": until})
    (found,) = connection.execute(
        f"SELECT epoch_us({which}(timestamp)) FROM interactions {before}", values
    ).fetchall()[0]
    return None if found is None else EPOCH + timedelta(microseconds=found)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Names and types of a table's columns; none where it is not there."""
    names = {row[0] for row in connection.sql("SHOW TABLES").fetchall()}
    if table not in names:
        return {}
    described = connection.sql(f"DESCRIBE {table}").fetchall()
    return {str(row[0]): str(row[1]) for row in described}
