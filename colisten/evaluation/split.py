"""Who is measured, on what, and what may be shown to them: the global time split.

History is `timestamp < cut`, the window is `cut <= timestamp < cut + window`. A target is an item
of the target type that a user with history streams in the window for the first time. Warm users
have any signal on the target type before the cut, cold ones have none (paper section 4.1).
Everything but the targets is read strictly before the cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from colisten.config import Settings
from colisten.data.catalogue import Catalogue
from colisten.data.moments import days_from, microseconds, utc
from colisten.errors import EvaluationError
from colisten.evaluation.events import event_tables
from colisten.evaluation.ragged import Ragged
from colisten.logs import logger

log = logger("evaluation")


@dataclass(frozen=True, eq=False)
class Audience:
    """Users with any event before the cut and what may be shown to them.

    Items are positions within the catalogue's slice of the target type.

    Attributes:
        user_ids: object [num_users], ascending.
        warm: bool [num_users]; any signal on the target type before the cut.
        exclusions: Items each user streamed before the cut.
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

    @property
    def num_candidates(self) -> int:
        """Items that can be recommended at the cut."""
        return int(self.available.sum())


@dataclass(frozen=True, eq=False)
class EvaluationSet(Audience):
    """The part of an audience that has a target in the window, with those targets.

    Attributes:
        targets: Candidates each user streams first in the window.
        num_targets: int64 [num_users], at least 1: targets with those that cannot be reached.
        unreachable: Targets, over all users, that are no candidate at the cut (released later).
            No ranker can hit them; they count as misses.
        window_days: Length of the window.
    """

    targets: Ragged
    num_targets: np.ndarray
    unreachable: int
    window_days: int


def audience(
    folders: Sequence[Path],
    catalogue: Catalogue,
    *,
    cut: datetime,
    target_type: str,
    settings: Settings | None = None,
) -> Audience:
    """Every user with an event before the cut: those whom a release must answer.

    Args:
        folders: Folders that hold `interactions.parquet`; events at or after `cut` are not read.
        catalogue: Items in the order that all vectors share.
        cut: UTC moment.
        target_type: The recommended item type.
        settings: Threads and memory of DuckDB; None takes the defaults.

    Raises:
        EvaluationError: A file is missing or `cut` has no time zone.
    """
    with event_tables(folders, catalogue, cut, cut, target_type, settings) as tables:
        tables.execute(_KNOWN)
        tables.execute(_HAD)
        tables.execute("CREATE TEMP TABLE people AS SELECT * FROM known")
        return _audience(tables, catalogue, cut, target_type)


def evaluation_set(
    folders: Sequence[Path],
    catalogue: Catalogue,
    *,
    cut: datetime,
    window_days: int,
    target_type: str,
    settings: Settings | None = None,
) -> EvaluationSet:
    """Users with a first-time stream in the window, their targets and their exclusions.

    The window may lie inside the history (validation before the cut of a release: pass the
    history folder and an earlier cut) or behind it (pass history and holdout). Without any
    target the set is empty, which `evaluate` reports as nothing to measure.

    Args:
        folders: Folders that hold `interactions.parquet`.
        catalogue: Items in the order that all vectors share; those that became available only
            after `cut` are no candidates.
        cut: UTC moment between history and window.
        window_days: Length of the window in days.
        target_type: The recommended item type.
        settings: Threads and memory of DuckDB; None takes the defaults.

    Raises:
        EvaluationError: A file is missing, `cut` has no time zone or the window is empty.
    """
    if window_days <= 0:
        raise EvaluationError(f"A window of {window_days} days holds no event.")
    until = days_from(cut, window_days)
    with event_tables(folders, catalogue, cut, until, target_type, settings) as tables:
        tables.execute(_KNOWN)
        tables.execute(_HAD)
        tables.execute(_FOUND)
        tables.execute(
            "CREATE TEMP TABLE people AS SELECT * FROM known SEMI JOIN found USING (user_id)"
        )
        seen = _audience(tables, catalogue, cut, target_type)
        pairs = tables.sql(_TARGETS).to_arrow_table()
    rows, items = _column(pairs, "row"), _column(pairs, "local")
    reachable = (items >= 0) & np.append(seen.available, False)[items]
    unreachable = int((~reachable).sum())
    log.info(
        "evaluation set",
        users=len(seen),
        warm=int(seen.warm.sum()),
        candidates=seen.num_candidates,
        targets=len(rows),
        unreachable=unreachable,
    )
    return EvaluationSet(
        user_ids=seen.user_ids,
        warm=seen.warm,
        exclusions=seen.exclusions,
        available=seen.available,
        cut=seen.cut,
        target_type=target_type,
        targets=Ragged.of(rows[reachable], items[reachable], len(seen)),
        num_targets=np.bincount(rows, minlength=len(seen)),
        unreachable=unreachable,
        window_days=window_days,
    )


_KNOWN = """
    CREATE TEMP TABLE known AS
    SELECT user_id, bool_or(item_type = (SELECT name FROM target_type)) AS warm
    FROM past GROUP BY user_id
"""
_HAD = """
    CREATE TEMP TABLE had AS
    SELECT DISTINCT user_id, item_id FROM past
    WHERE signal = 'stream' AND item_type = (SELECT name FROM target_type)
"""
_FOUND = """
    CREATE TEMP TABLE found AS
    SELECT DISTINCT user_id, item_id FROM future SEMI JOIN known USING (user_id)
        ANTI JOIN had USING (user_id, item_id)
    WHERE signal = 'stream' AND item_type = (SELECT name FROM target_type)
"""
_PEOPLE = "SELECT user_id, warm FROM people ORDER BY user_id"
_ROWS = "SELECT user_id, row_number() OVER (ORDER BY user_id) - 1 AS row FROM people"
_EXCLUSIONS = f"""
    SELECT row, local FROM had JOIN ({_ROWS}) USING (user_id) JOIN candidates USING (item_id)
"""
_TARGETS = f"""
    SELECT row, coalesce(local, -1) AS local
    FROM found JOIN ({_ROWS}) USING (user_id) LEFT JOIN candidates USING (item_id)
"""
_TOUCHED = """
    SELECT DISTINCT local FROM past JOIN candidates USING (item_id)
    WHERE item_type = (SELECT name FROM target_type)
"""


def _audience(
    tables: duckdb.DuckDBPyConnection, catalogue: Catalogue, cut: datetime, target_type: str
) -> Audience:
    people = tables.sql(_PEOPLE).to_arrow_table()
    pairs = tables.sql(_EXCLUSIONS).to_arrow_table()
    touched = _column(tables.sql(_TOUCHED).to_arrow_table(), "local")
    available = _published(catalogue, target_type, cut)
    available[touched] = True
    user_ids = np.empty(len(people), dtype=object)
    user_ids[:] = people.column("user_id").to_pylist()
    return Audience(
        user_ids=user_ids,
        warm=_column(people, "warm").astype(bool),
        exclusions=Ragged.of(_column(pairs, "row"), _column(pairs, "local"), len(people)),
        available=available,
        cut=utc(cut),
        target_type=target_type,
    )


def _published(catalogue: Catalogue, target_type: str, cut: datetime) -> np.ndarray:
    """Items of the target type published before the cut or without a date, bool [num_target]."""
    target = catalogue.slice_of(target_type)
    dates = catalogue.table.column("published_at").cast(pa.timestamp("us", tz="UTC"))
    moments = dates.slice(target.start, target.stop - target.start).cast(pa.int64())
    earliest = np.iinfo(np.int64).min
    published = moments.fill_null(earliest).to_numpy() < microseconds(cut)
    return np.array(published, dtype=bool)


def _column(table: pa.Table, name: str) -> np.ndarray:
    values: np.ndarray = table.column(name).to_numpy()
    return values
