"""The baseline that every recommender must beat first: what others streamed."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from colisten.data.moments import days_from
from colisten.ranking.events import EventLog, moment_literal


def popularity(events: EventLog, as_of: datetime, window_days: int | None = None) -> np.ndarray:
    """Users who started each target item before `as_of`, float32 [num_target].

    Args:
        events: Events and items, in the order of the result.
        as_of: Events at or after it are not seen.
        window_days: Only the last so many days; None counts all time.

    Raises:
        EvaluationError: A folder has no interactions or `as_of` has no time zone.
    """
    recent = ""
    if window_days is not None:
        recent = f"AND timestamp >= {moment_literal(days_from(as_of, -window_days))}"
    with events.tables(as_of) as tables:
        counted = tables.sql(
            "SELECT local, count(DISTINCT user_id) AS users FROM past "
            f"JOIN candidates USING (item_id) WHERE is_start {recent} GROUP BY local"
        ).to_arrow_table()
    counts = np.zeros(events.num_target, dtype=np.float32)
    counts[counted.column("local").to_numpy()] = counted.column("users").to_numpy()
    return counts
