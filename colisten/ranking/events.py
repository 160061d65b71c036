"""Events before and after a moment as DuckDB views, larger than memory if need be.

Every question that evaluation asks of the interactions goes through these two views, so what lies
before the cut and what lies behind it is decided in one place.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from colisten.config import Settings
from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.moments import sql_moment
from colisten.errors import EvaluationError
from colisten.interrupts import interruptible


@contextmanager
def event_tables(
    folders: Sequence[Path],
    catalogue: Catalogue,
    cut: datetime,
    until: datetime,
    target_type: str,
    settings: Settings | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with four relations.

    `past` (events before `cut`), `future` (events from `cut` on and before `until`),
    `candidates` (item_id and `local`, its position among the items of the target type) and
    `target_type` (its `name`).

    Raises:
        EvaluationError: A folder has no interactions or a moment has no time zone.
    """
    settings = settings or Settings()
    files = [folder / "interactions.parquet" for folder in folders]
    missing = [str(file) for file in files if not file.exists()]
    if missing or not files:
        raise EvaluationError(f"No interactions at {', '.join(missing) or 'any of no folders'}.")
    target = catalogue.slice_of(target_type)
    candidates = pa.table(
        {
            "item_id": pa.array(catalogue.item_ids[target], pa.string()),
            "local": np.arange(target.stop - target.start, dtype=np.int64),
        }
    )
    with (
        tempfile.TemporaryDirectory(prefix="colisten-evaluation-") as spill,
        interruptible(
            duckdb.connect(
                config={
                    "threads": settings.threads,
                    "memory_limit": settings.memory_limit,
                    "temp_directory": spill,
                }
            )
        ) as tables,
    ):
        tables.execute(f"CREATE TEMP VIEW events AS FROM {parquet.scan(*files)}")
        tables.register("candidates", candidates)
        tables.register("target_type", pa.table({"name": [target_type]}))
        early, late = moment_literal(cut), moment_literal(until)
        tables.execute(f"CREATE TEMP VIEW past AS FROM events WHERE timestamp < {early}")
        tables.execute(
            "CREATE TEMP VIEW future AS FROM events "
            f"WHERE timestamp >= {early} AND timestamp < {late}"
        )
        yield tables


def moment_literal(moment: datetime) -> str:
    """A moment as SQL, since a view takes no parameters.

    Raises:
        EvaluationError: The moment has no time zone.
    """
    if moment.tzinfo is None:
        raise EvaluationError(f"The moment {moment} has no time zone.", "Pass a UTC datetime.")
    return sql_moment(moment)
