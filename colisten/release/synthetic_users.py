"""Users who never were, for a golden set that tells of nobody.

A release is copied around and its golden set with it. Who knows what somebody listened to finds
them in a history, with or without an id, so nothing of a person may be in it. These users are drawn
from what every release says anyway: the names and scales of its features, its catalogue, and what
is popular (`PopularityRule`, of enough listeners). Each field is drawn by itself, so no two of them
belong together. Chance may still draw what somebody did hear: a history that anybody's holds whole
is drawn again, and left out where nothing else can be drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from colisten.data.moments import microseconds
from colisten.features.names import history_columns, profile_column
from colisten.features.transform import MICROSECONDS_PER_DAY, UserFeatureSpec
from colisten.ranking.events import EventLog
from colisten.ranking.popularity import PopularityRule, popular_order
from colisten.release.golden_set import NAMED

_SEED = 20_26
_MISSING, _NO_HISTORY = 0.15, 0.2  # shares of users
_EVENTS = (8, 41)  # of a history, from and below
_HEAD = 10  # ranks that are about as popular as the first
_DAYS_SINCE, _DAYS_BETWEEN = 10.0, 3.0  # the newest event, and two neighbours; means
_OLDEST_AGE = 100.0
_TRIES = 8


def synthetic_users(
    spec: UserFeatureSpec, events: EventLog, as_of: datetime, rule: PopularityRule, count: int
) -> pa.Table:
    """Feature rows of users who never were, and last of one of whom nothing is known.

    Args:
        spec: What the tower reads; names and scales are taken from it.
        events: Events and the catalogue.
        as_of: Moment that all their events lie before; later events are not seen.
        rule: What counts as popular.
        count: How many rows, 1 or more.

    Returns:
        Columns of `spec.fields.schema`. Equal inputs give equal rows.

    Raises:
        EvaluationError: As `popular_order`.
    """
    rng = np.random.default_rng(_SEED)
    rows = [_profile(spec, rng) for _ in range(count - 1)]
    with events.tables(as_of) as tables:
        for item_type in spec.types:
            ids = _by_popularity(events.of_type(item_type), as_of, rule)
            drawn = _histories(len(rows), ids, rng, tables)
            ids_of, signals_of, times_of = history_columns(item_type)
            for row, items in zip(rows, drawn, strict=True):
                row[ids_of] = items
                row[signals_of] = rng.choice(spec.signals, len(items)).tolist()
                row[times_of] = _times(len(items), as_of, rng)
    return _table([*rows, {}], spec)


def _profile(spec: UserFeatureSpec, rng: np.random.Generator) -> dict[str, Any]:
    row: dict[str, Any] = {
        "country": _name(spec.countries, rng),
        "age": _number(spec.age_mean, spec.age_scale, rng),
    }
    if row["age"] is not None:
        row["age"] = float(np.clip(row["age"], 0.0, _OLDEST_AGE))
    if spec.music_dim and rng.random() >= _MISSING:
        row["music_vector"] = rng.normal(spec.music_mean, spec.music_scale).tolist()
    for name, known in spec.categories.items():
        row[profile_column(name)] = _name(known, rng)
    for name, (mean, scale) in spec.numbers.items():
        row[profile_column(name)] = _number(mean, scale, rng)
    return row


def _name(known: Sequence[str], rng: np.random.Generator) -> str | None:
    """One of some names, most frequent first; the frequent ones come more often."""
    if not known or rng.random() < _MISSING:
        return None
    return str(rng.choice(known, p=_shares(len(known), head=1)))


def _number(mean: float, scale: float, rng: np.random.Generator) -> float | None:
    return None if rng.random() < _MISSING else float(rng.normal(mean, scale))


def _by_popularity(events: EventLog, as_of: datetime, rule: PopularityRule) -> np.ndarray:
    """Ids of the items of the target type, most popular first."""
    order = popular_order(events, as_of, rule)
    return np.asarray(events.catalogue.item_ids[events.target][order])


def _histories(
    users: int, ids: np.ndarray, rng: np.random.Generator, tables: duckdb.DuckDBPyConnection
) -> list[list[str]]:
    """What each of some users heard of one type: a set of items that nobody's history holds."""
    lengths = np.where(rng.random(users) < _NO_HISTORY, 0, rng.integers(*_EVENTS, size=users))
    shares = _shares(len(ids), head=_HEAD)
    drawn = {user: np.zeros(0, np.int64) for user in range(users)}  # ranks
    wanted = np.flatnonzero(lengths).tolist()
    for _ in range(_TRIES):
        for user in wanted:
            length = min(int(lengths[user]), len(ids))
            drawn[user] = rng.choice(len(ids), length, replace=False, p=shares)
        wanted = _held({user: drawn[user] for user in wanted}, ids, tables)
        lengths[wanted] *= 2  # the more titles, the fewer have heard them all
    return [[] if user in wanted else ids[ranks].tolist() for user, ranks in drawn.items()]


def _held(
    drawn: Mapping[int, np.ndarray], ids: np.ndarray, tables: duckdb.DuckDBPyConnection
) -> list[int]:
    """Which of some sets of items, given by rank, are among those of one person."""
    if not drawn:
        return []
    sizes = [len(ranks) for ranks in drawn.values()]
    ranks = np.concatenate(list(drawn.values()))
    columns = {
        "drawn_user": np.repeat(list(drawn), sizes),
        "item_id": pa.array(ids[ranks].tolist(), pa.string()),
        "rank": ranks,
        "size": np.repeat(sizes, sizes),
    }
    tables.register("drawn", pa.table(columns))
    # Few people have heard the least popular item of a set; only theirs are counted.
    found = tables.sql(
        "WITH rarest AS (SELECT drawn_user, arg_max(item_id, rank) AS item_id FROM drawn "
        "GROUP BY drawn_user), holders AS (SELECT DISTINCT drawn_user, user_id FROM past "
        "JOIN rarest USING (item_id)) SELECT DISTINCT drawn_user FROM ("
        "SELECT drawn_user FROM holders JOIN past USING (user_id) "
        "JOIN drawn USING (drawn_user, item_id) GROUP BY drawn_user, user_id "
        "HAVING count(DISTINCT item_id) = any_value(size)) ORDER BY drawn_user"
    ).fetchall()
    return [int(user) for (user,) in found]


def _times(count: int, as_of: datetime, rng: np.random.Generator) -> list[int]:
    """Moments before `as_of`, oldest first, in microseconds."""
    gaps = rng.exponential(_DAYS_BETWEEN, count)
    gaps[:1] = rng.exponential(_DAYS_SINCE, len(gaps[:1]))
    back = 1 + np.cumsum(gaps * MICROSECONDS_PER_DAY).astype(np.int64)
    return [int(microseconds(as_of) - each) for each in back[::-1]]


def _shares(count: int, *, head: int) -> np.ndarray:
    """How often each of some ranks comes: as one over the rank, behind a head."""
    weights = 1.0 / (np.arange(count) + head)
    return np.asarray(weights / weights.sum())


def _table(rows: Sequence[Mapping[str, Any]], spec: UserFeatureSpec) -> pa.Table:
    named = [{**row, "user_id": f"{NAMED}-{at:02d}"} for at, row in enumerate(rows)]
    return pa.table(
        {
            field.name: pa.array([row.get(field.name) for row in named], field.type)
            for field in spec.fields.schema
        },
        schema=spec.fields.schema,
    )
