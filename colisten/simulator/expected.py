"""What shelves are worth in truth: each user's chances under each arm, reckoned and not drawn.

A user comes by a Poisson process and is shown one shelf at every visit. Visits after which
something happened are then a Poisson process too, so the chance that there is one among users who
came at all is (1 - exp(-m s)) / (1 - exp(-m)): m visits are expected, and s is the chance that a
visit is followed by it, on average over the moments of the experiment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.errors import TableError
from colisten.simulator.items import DAY, STAMP
from colisten.simulator.journeys import STREAM
from colisten.simulator.response import (
    RELISTEN,
    START,
    encoded,
    examined_chance,
    first_streams,
    liked_chance,
    liking,
    novelty,
)
from colisten.simulator.settings import SIGNALS
from colisten.simulator.truth import Truth

CHANCES = ("stream_rate", "new_start_rate", "caused_stream_rate", "caused_new_start_rate")
"""Columns: chances that what an experiment counts happens at least once, and that a showing is
what made it happen."""

SCHEMA = pa.schema({"user_id": pa.string(), **dict.fromkeys(CHANCES, pa.float64())})

_HOUR = DAY // 24
_STRETCH = 4 * _HOUR
"""Chances of a visit are taken once in this time."""
_USERS_AT_A_TIME = 1_000


@dataclass(frozen=True)
class Visits:
    """When users come.

    Attributes:
        start: First moment, UTC.
        days: Until the last.
        mean: Of each user's number of visits.
        attribution_hours: How long after a visit a stream counts as its.
    """

    start: datetime
    days: int
    mean: float
    attribution_hours: float

    @property
    def moments(self) -> np.ndarray:
        """The middles of stretches of `_STRETCH`, microseconds since 1970 UTC, int64 [m]."""
        return self.first + _STRETCH // 2 + _STRETCH * np.arange(DAY // _STRETCH * self.days)

    @property
    def first(self) -> int:
        """Microseconds since 1970 UTC."""
        return round(self.start.timestamp() * 1_000_000)

    @property
    def window(self) -> int:
        """Microseconds."""
        return round(self.attribution_hours * _HOUR)

    def chance(self, after_a_visit: np.ndarray) -> np.ndarray:
        """Of users who come at all, from chances after one visit at every moment [..., m]."""
        share = after_a_visit.mean(axis=-1)
        return np.asarray(np.expm1(-self.mean * share) / np.expm1(-self.mean))


def expected_chances(truth: Path, shelf: pa.Table, organic: pa.Table, visits: Visits) -> pa.Table:
    """Chances of every user of a shelf, were it theirs.

    Args:
        truth: The `truth/` folder of a simulated world.
        shelf: user_id, item_id and rank (from 1), no user's item twice.
        organic: What the world's users stream by themselves, whatever they are shown
            (`organic_streams`). It counts for a showing that it happens to follow.
        visits: When users come.

    Returns:
        `SCHEMA`, a row a user in order of appearance. Chances are exact but for the moments of
        visits, which are those of `Visits.moments`.

    Raises:
        TableError: No truth at `truth`, or a user or an item is not of this world.
    """
    world = Truth.read(truth)
    users, user = encoded(shelf["user_id"])
    item = world.item_rows(shelf["item_id"])
    rank = shelf["rank"].to_numpy().astype(np.float64)
    if (rank < 1).any():
        raise TableError("shelf.rank counts from 1; a smaller one was given.")
    pairs = _Pairs(
        liking(world, users, user, item),
        item,
        examined_chance(rank),
        first_streams(world, users, user, item),
        _organic(world, organic, users, user * len(world.item_ids) + item),
    )
    columns = np.empty((len(CHANCES), len(users)))
    for members, rows in _batches(user, len(users)):
        happened = _after_a_visit(world, pairs, rows, visits)
        # A visit after which nothing happens on any title of the shelf.
        starts = np.flatnonzero(np.diff(user[rows], prepend=-1))
        missed = np.multiply.reduceat(1 - happened, starts, axis=1)
        columns[:, members] = visits.chance(1 - missed)
    return pa.table([pa.array(users, pa.string()), *columns], schema=SCHEMA)


def organic_streams(interactions: Path, start: datetime) -> pa.Table:
    """Streams of a world from a moment on: user_id, item_id, timestamp.

    Args:
        interactions: Contract interactions of the world, which no showing caused.
        start: UTC.

    Raises:
        OSError: There is no such file.
    """
    wanted = (pc.field("signal") == SIGNALS[STREAM]) & (pc.field("timestamp") >= start)
    return parquet.read(interactions, columns=["user_id", "item_id", "timestamp"], filters=wanted)


@dataclass(frozen=True)
class _Pairs:
    """Users' items, all arrays of one length.

    Attributes:
        odds: Log odds of acting, but for novelty.
        item: Row of the catalogue.
        examined: Chance.
        first: First stream that nothing caused, microseconds; NaN for none.
        organic: Those after the experiment began, ascending, by pair.
    """

    odds: np.ndarray
    item: np.ndarray
    examined: np.ndarray
    first: np.ndarray
    organic: dict[int, np.ndarray]


def _after_a_visit(world: Truth, pairs: _Pairs, rows: np.ndarray, visits: Visits) -> np.ndarray:
    """Chances after a visit at every moment, float64 [`CHANCES`, rows, m]."""
    moment = visits.moments
    odds = pairs.odds[rows][:, None] + novelty(world, pairs.item[rows][:, None], moment)
    new = ~(pairs.first[rows][:, None] < moment)
    examined = pairs.examined[rows][:, None]
    caused_start = np.where(new, examined * liked_chance(odds) * START, 0.0)
    caused_stream = np.where(new, caused_start, examined * RELISTEN)
    stream, start = caused_stream.copy(), caused_start.copy()
    for place, row in enumerate(rows):
        for at in pairs.organic.get(int(row), ()):
            follows = (moment > at - visits.window) & (moment <= at)
            stream[place, follows] = 1.0
            if at == pairs.first[row]:
                start[place, follows] = 1.0
    return np.stack([stream, start, caused_stream, caused_start])


def _organic(
    world: Truth, events: pa.Table, users: np.ndarray, keys: np.ndarray
) -> dict[int, np.ndarray]:
    """By pair (`keys`: users' row times items, plus the item's) the moments of its streams."""
    frame = events.select(["user_id", "item_id"]).to_pandas()
    frame["timestamp"] = events["timestamp"].cast(STAMP).cast(pa.int64()).to_numpy()
    user = pd.Index(users, dtype=object).get_indexer(pd.Index(frame["user_id"], dtype=object))
    item = world.item_rows(frame["item_id"].to_numpy(dtype=object))
    key = np.where(user < 0, -1, user.astype(np.int64) * len(world.item_ids) + item)
    pair = pd.Index(keys).get_indexer(pd.Index(key))
    moments = frame["timestamp"].to_numpy()[pair >= 0]
    order = np.lexsort((moments, pair[pair >= 0]))
    found, firsts = np.unique(pair[pair >= 0][order], return_index=True)
    ends = np.append(firsts, len(order))[1:]
    return {
        int(row): moments[order[first:end]]
        for row, first, end in zip(found, firsts, ends, strict=True)
    }


def _batches(user: np.ndarray, users: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Consecutive users and the rows of their items, user after user."""
    order = np.argsort(user, kind="stable")
    ends = np.searchsorted(user[order], np.arange(users + 1))
    for first in range(0, users, _USERS_AT_A_TIME):
        last = min(users, first + _USERS_AT_A_TIME)
        yield slice(first, last), order[ends[first] : ends[last]]
