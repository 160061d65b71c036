"""Who is measured and on what: the global time split.

History is `timestamp < cut`, the window is `cut <= timestamp < cut + window`. A target is an item
of the target type that a user with history starts in the window for the first time. Everything
but the targets is read strictly before the cut, by `colisten.ranking.eligible`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from colisten.data.moments import days_from
from colisten.errors import EvaluationError
from colisten.logs import logger
from colisten.ranking.eligible import PEOPLE_ROWS, EligibleUsers, column, read_past, read_people
from colisten.ranking.events import EventLog
from colisten.ranking.ragged import Ragged

log = logger("evaluation")


@dataclass(frozen=True, eq=False)
class EvaluationSet(EligibleUsers):
    """The eligible users who have a target in the window, with those targets.

    Attributes:
        targets: Candidates each user starts first in the window.
        num_targets: int64 [num_users], at least 1: targets with those that cannot be reached.
        unreachable: Targets, over all users, that are no candidate at the cut (released later).
            No ranker can hit them; they count as misses.
        window_days: Length of the window.
    """

    targets: Ragged
    num_targets: np.ndarray
    unreachable: int
    window_days: int


def evaluation_set(events: EventLog, *, cut: datetime, window_days: int) -> EvaluationSet:
    """Users with a first start in the window, their targets and their exclusions.

    The window may lie inside the history (validation before the cut of a release: pass the
    history folder and an earlier cut) or behind it (pass history and holdout). Without any
    target the set is empty, which `evaluate` reports as nothing to measure.

    Args:
        events: Events and items; items that became available only after `cut` are no candidates.
        cut: UTC moment between history and window.
        window_days: Length of the window in days.

    Raises:
        EvaluationError: A file is missing, `cut` has no time zone or the window is empty.
    """
    if window_days <= 0:
        raise EvaluationError(f"A window of {window_days} days holds no event.")
    with events.tables(cut, days_from(cut, window_days)) as tables:
        read_past(tables)
        tables.execute(_FIRST_STARTS)
        tables.execute(
            "CREATE TEMP TABLE people AS SELECT * FROM known SEMI JOIN first_starts USING (user_id)"
        )
        seen = read_people(tables, events, cut)
        pairs = tables.sql(_TARGETS).to_arrow_table()
    rows, items = column(pairs, "row"), column(pairs, "local")
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
        target_type=seen.target_type,
        targets=Ragged.of(rows[reachable], items[reachable], len(seen)),
        num_targets=np.bincount(rows, minlength=len(seen)),
        unreachable=unreachable,
        window_days=window_days,
    )


_FIRST_STARTS = """
    CREATE TEMP TABLE first_starts AS
    SELECT DISTINCT user_id, item_id FROM future SEMI JOIN known USING (user_id)
        ANTI JOIN seen_items USING (user_id, item_id)
    WHERE is_start
"""
_TARGETS = f"""
    SELECT row, coalesce(local, -1) AS local
    FROM first_starts JOIN ({PEOPLE_ROWS}) USING (user_id) LEFT JOIN candidates USING (item_id)
"""
