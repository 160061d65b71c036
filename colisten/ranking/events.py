"""Events before and after a moment as DuckDB views, larger than memory if need be.

Every question that rankings and their evaluation ask of the interactions goes through these two
views, so what lies before the cut and what lies behind it is decided in one place.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.duckdb_connection import connect
from colisten.data.moments import sql_moment
from colisten.data.sql import sql_text
from colisten.errors import EvaluationError
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine


@dataclass(frozen=True, eq=False)
class EventLog:
    """Interactions and the items they are about, to be asked as of any moment.

    Attributes:
        folders: Folders that hold `interactions.parquet`.
        catalogue: Items in the order that all vectors share.
        data: The target type and the signals that count as a start.
        engine: Bounds of DuckDB.
    """

    folders: Sequence[Path]
    catalogue: Catalogue
    data: DataSettings
    engine: Engine = field(default_factory=Engine)

    @property
    def target(self) -> slice:
        """Where the target type lies in the catalogue."""
        return self.catalogue.slice_of(self.data.target_type)

    @property
    def num_target(self) -> int:
        """Items of the target type."""
        return int(self.target.stop) - int(self.target.start)

    def of_type(self, item_type: str) -> EventLog:
        """The same events with another target type."""
        return replace(self, data=self.data.model_copy(update={"target_type": item_type}))

    @contextmanager
    def tables(
        self, cut: datetime, end: datetime | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB connection with views.

        `past` (events before `cut`), `future` (events from `cut` on and before `end`), each with
        `is_target` (of the target type) and `is_start` (a start of such an item), and `candidates`
        (item_id and `local`, its position among the items of the target type).

        Raises:
            EvaluationError: A folder has no interactions or a moment has no time zone.
        """
        files = [folder / "interactions.parquet" for folder in self.folders]
        missing = [str(file) for file in files if not file.exists()]
        if missing or not files:
            raise EvaluationError(
                f"No interactions at {', '.join(missing) or 'any of no folders'}."
            )
        candidates = pa.table(
            {
                "item_id": pa.array(self.catalogue.item_ids[self.target], pa.string()),
                "local": np.arange(self.num_target, dtype=np.int64),
            }
        )
        target = f"item_type = {sql_text(self.data.target_type)}"
        starts = ", ".join(map(sql_text, self.data.start_signals))
        early, late = moment_literal(cut), moment_literal(end or cut)
        with (
            tempfile.TemporaryDirectory(prefix="colisten-evaluation-") as spill,
            connect(**self.engine.model_dump(), temp_directory=spill) as tables,
        ):
            tables.execute(
                f"CREATE TEMP VIEW events AS SELECT *, {target} AS is_target, "
                f"{target} AND signal IN ({starts}) AS is_start FROM {parquet.scan(*files)}"
            )
            tables.register("candidates", candidates)
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
