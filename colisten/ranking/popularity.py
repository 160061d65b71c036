"""What is popular: how many users started an item. One meaning for what is measured and served.

An order by counts tells of the people who were counted, and of very few it tells all: the popular
titles of a country with one listener are what that person listened to. So a country has a list of
its own only where enough people started anything there, and a title is in it only where enough of
them started that (k-anonymity, Samarati and Sweeney 1998). The order of all titles by all listeners
holds nobody's history, and is what a small catalogue or a new type has to stand on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from colisten.data import parquet
from colisten.data.contract import POPULARITY
from colisten.data.moments import days_from, utc
from colisten.ranking.events import EventLog, moment_literal
from colisten.settings.sections import EvaluationSettings


@dataclass(frozen=True)
class PopularityRule:
    """What counts as popular.

    Attributes:
        days: Days before a moment that count first.
        title_listeners: Users in a country who must have started a title for it to be in its list.
        list_listeners: Users who must have started any title in a country for a list of its own.
    """

    days: int
    title_listeners: int
    list_listeners: int

    @classmethod
    def of(cls, evaluation: EvaluationSettings) -> Self:
        """As settings have it."""
        return cls(
            evaluation.popularity_days,
            evaluation.popularity_title_listeners,
            evaluation.popularity_list_listeners,
        )


def popularity(events: EventLog, as_of: datetime, window_days: int | None = None) -> np.ndarray:
    """Users who started each target item before `as_of`, float32 [num_target].

    Args:
        events: Events and items, in the order of the result.
        as_of: Events at or after it are not seen.
        window_days: Only the last so many days; None counts all time.

    Raises:
        EvaluationError: A folder has no interactions or `as_of` has no time zone.
    """
    with events.tables(as_of) as tables:
        counted = tables.sql(
            "SELECT local, count(DISTINCT user_id) AS users FROM past "
            f"JOIN candidates USING (item_id) WHERE {_started(as_of, window_days)} GROUP BY local"
        ).to_arrow_table()
    counts = np.zeros(events.num_target, dtype=np.float32)
    counts[counted.column("local").to_numpy()] = counted.column("users").to_numpy()
    return counts


def popular_order(events: EventLog, as_of: datetime, rule: PopularityRule) -> np.ndarray:
    """Every target item, int64 [num_target], most popular first.

    By a popularity of the tables' own where there is one, then by users who started it in the
    last days, then by those who ever did, then by index.

    Args:
        events: Events and items.
        as_of: Events at or after it are not seen.
        rule: What counts.

    Raises:
        EvaluationError: As `popularity`.
    """
    lately = popularity(events, as_of, rule.days)
    ever = popularity(events, as_of)
    own = own_popularity(events, as_of)
    first = lately if own is None else own
    return np.lexsort((np.arange(len(lately)), -ever, -lately, -first)).astype(np.int64)


def own_popularity(events: EventLog, as_of: datetime) -> NDArray[np.float64] | None:
    """Scores of somebody's own, the newest known before `as_of`, float64 [num_target].

    Items without one have -inf. None where the folder of the events has no `popularity.parquet`.
    """
    file = events.folders[0] / POPULARITY.file_name
    if not file.exists():
        return None
    table = parquet.read(file)  # sorted by item, then by time
    known = pc.or_kleene(pc.is_null(table["since"]), pc.less(table["since"], pa.scalar(utc(as_of))))
    table = table.filter(known)
    scores = np.full(len(events.catalogue), -np.inf)
    scores[events.catalogue.index_of(table["item_id"])] = table["score"].to_numpy()
    return scores[events.target]


def popularity_scores(events: EventLog, as_of: datetime, rule: PopularityRule) -> np.ndarray:
    """Scores that rank target items in `popular_order`, float32 [num_target], each above zero."""
    order = popular_order(events, as_of, rule)
    scores = np.empty(len(order), dtype=np.float32)
    scores[order] = np.arange(len(order), 0, -1)
    return scores


def country_orders(
    events: EventLog, as_of: datetime, rule: PopularityRule, everywhere: np.ndarray
) -> dict[str, np.ndarray]:
    """Per country the target items started there in the last days, int64, most popular first.

    A country of too few listeners has none, and a title of too few there is in no list.

    Args:
        events: Events, with `users.parquet` in the first folder.
        as_of: Events at or after it are not seen.
        rule: What counts.
        everywhere: `popular_order`, which decides between equals.

    Raises:
        EvaluationError: As `popularity`.
    """
    people = parquet.scan(events.folders[0] / "users.parquet")
    with events.tables(as_of) as tables:
        tables.execute(
            "CREATE TEMP TABLE started AS SELECT DISTINCT country, local, user_id FROM past "
            f"JOIN candidates USING (item_id) JOIN {people} USING (user_id) "
            f"WHERE {_started(as_of, rule.days)} AND country IS NOT NULL"
        )
        counted = tables.sql(
            "SELECT country, local, count(*) AS users FROM started WHERE country IN ("
            "SELECT country FROM started GROUP BY country "
            f"HAVING count(DISTINCT user_id) >= {rule.list_listeners:d}) "
            f"GROUP BY ALL HAVING users >= {rule.title_listeners:d}"
        ).to_arrow_table()
    place = np.empty(len(everywhere), np.int64)
    place[everywhere] = np.arange(len(everywhere))
    names = np.array(counted.column("country").to_pylist(), dtype=object)
    items = counted.column("local").to_numpy().astype(np.int64)
    order = np.lexsort((place[items], -counted.column("users").to_numpy()))
    return {name: items[order[names[order] == name]] for name in sorted(set(names))}


def _started(as_of: datetime, window_days: int | None) -> str:
    if window_days is None:
        return "is_start"
    return f"is_start AND timestamp >= {moment_literal(days_from(as_of, -window_days))}"
