"""The baseline that every recommender must beat first: what others streamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from colisten.config import Settings
from colisten.data.catalogue import Catalogue
from colisten.data.moments import days_from
from colisten.ranking.events import event_tables, moment_literal


@dataclass(frozen=True, eq=False)
class PopularityRanker:
    """The same order for everyone.

    Attributes:
        name: What the table calls it.
        counts: float32 [num_target].
    """

    name: str
    counts: np.ndarray

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """The counts, once per user, float32 [b, num_target]; see `rankers.Ranker`."""
        return np.broadcast_to(self.counts, (len(rows), len(self.counts)))


def popularity(
    folders: Sequence[Path],
    catalogue: Catalogue,
    *,
    as_of: datetime,
    target_type: str,
    window_days: int | None = None,
    settings: Settings | None = None,
) -> np.ndarray:
    """Users who streamed each target item before `as_of`, float32 [num_target].

    Args:
        folders: Folders that hold `interactions.parquet`.
        catalogue: Items in the order of the result.
        as_of: Events at or after it are not seen.
        target_type: The recommended item type.
        window_days: Only the last so many days; None counts all time.
        settings: Threads and memory of DuckDB; None takes the defaults.

    Raises:
        EvaluationError: A folder has no interactions or `as_of` has no time zone.
    """
    recent = ""
    if window_days is not None:
        recent = f"AND timestamp >= {moment_literal(days_from(as_of, -window_days))}"
    with event_tables(folders, catalogue, as_of, as_of, target_type, settings) as tables:
        counted = tables.sql(
            "SELECT local, count(DISTINCT user_id) AS users FROM past "
            "JOIN candidates USING (item_id) WHERE signal = 'stream' "
            f"AND item_type = (SELECT name FROM target_type) {recent} GROUP BY local"
        ).to_arrow_table()
    target = catalogue.slice_of(target_type)
    counts = np.zeros(target.stop - target.start, dtype=np.float32)
    counts[counted.column("local").to_numpy()] = counted.column("users").to_numpy()
    return counts
