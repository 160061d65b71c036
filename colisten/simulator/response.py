"""How the world answers a shelf: the interactions that shown items cause.

Position-based model: an item at position p is examined with a chance that falls with p, and an
examined item is acted on with a chance that grows with the user's planted taste for it, with its
popularity and its novelty. The shelf decides nothing else, so one whose items match better earns
more starts, and nothing but the match can make a difference between arms.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from colisten.errors import TableError
from colisten.simulator.items import DAY, STAMP
from colisten.simulator.journeys import FOLLOW, INTENT, PREVIEW, STREAM
from colisten.simulator.random_numbers import RESPONSE, generator
from colisten.simulator.settings import SIGNALS
from colisten.simulator.truth import KnownUsers, Truth

COLUMNS = ("user_id", "item_id", "position", "timestamp")
"""Columns of an exposures table that are read."""

_EXAMINE_DECAY = 0.5
"""Position p (from 1) is examined with chance p to the power of minus this."""
_BASE = -4.2
_TASTE, _POPULARITY, _NOVELTY = 0.75, 0.25, 0.4
"""Log odds of acting per unit of taste, of log popularity, and for a release of today."""
_NOVELTY_DAYS = 21.0
RELISTEN = 0.03
"""Chance that an examined item which the user already streamed is streamed again."""
START = 0.55
"""Share of examined-and-liked items that are streamed."""
_WEAK = np.array([0.35, 0.45, 0.12])
"""Chances of a preview, an intent to pay and a follow on a liked item."""
_MINUTE = DAY // 1440
_USERS_AT_A_TIME = 2_000


def respond(truth: Path, exposures: pa.Table, *, seed: int) -> pa.Table:
    """Interactions that these exposures cause.

    Args:
        truth: The `truth/` folder of a simulated world.
        exposures: Contract exposures (request_id, user_id, variant, release_id, surface, item_id,
            position from 1, timestamp); only `COLUMNS` are read.
        seed: Equal exposures and seed give equal answers.

    Returns:
        Contract interactions (user_id, item_id, item_type, signal, timestamp), sorted by
        timestamp, user_id, item_id and signal; each lies minutes to hours after its exposure.

    Raises:
        TableError: No truth at `truth`; a column is missing, an exposed user or item is not of
            this world, or a position is below 1.
    """
    table = _checked(exposures)
    world = Truth.read(truth)
    users, user = encoded(table["user_id"])
    item = world.item_rows(table["item_id"])
    position = table["position"].to_numpy().astype(np.float64)
    if (position < 1).any():
        raise TableError("exposures.position counts from 1; a smaller one was given.")
    moment = table["timestamp"].cast(STAMP).cast(pa.int64()).to_numpy()

    odds = liking(world, users, user, item) + novelty(world, item, moment)
    # A pair that was never streamed reads as NaN, which is not before anything.
    streamed_before = first_streams(world, users, user, item) < moment
    rng = generator(seed, RESPONSE)
    examined = rng.random(len(user)) < examined_chance(position)
    draw, delay = rng.random(len(user)), rng.exponential(1.0, (len(user), 4))
    liked = examined & ~streamed_before & (draw < liked_chance(odds))
    again = examined & streamed_before & (draw < RELISTEN)
    streamed = (liked & (rng.random(len(user)) < START)) | again
    weak = liked[:, None] & (rng.random((len(user), 3)) < _WEAK)

    # Minutes after the exposure: one looks around first and listens later.
    minutes = np.empty((len(user), 4))
    minutes[:, [PREVIEW, INTENT, FOLLOW]] = 1 + np.cumsum(3 * delay[:, :3], axis=1)
    minutes[:, STREAM] = minutes[:, FOLLOW] + 90 * delay[:, 3]
    row, signal = np.nonzero(np.column_stack([weak, streamed]))
    at = moment[row] + (minutes[row, signal] * _MINUTE).astype(np.int64)
    answers = pa.table(
        {
            "user_id": pa.array(users[user[row]], pa.string()),
            "item_id": pa.array(world.item_ids[item[row]], pa.string()),
            "item_type": pa.array(world.item_types[item[row]], pa.string()),
            "signal": pa.array(np.array(SIGNALS, dtype=object)[signal], pa.string()),
            "timestamp": pa.array(at).cast(STAMP),
        }
    )
    keys = ("timestamp", "user_id", "item_id", "signal")
    return answers.sort_by([(key, "ascending") for key in keys])


def _checked(exposures: pa.Table) -> pa.Table:
    missing = [name for name in COLUMNS if name not in exposures.column_names]
    if missing:
        raise TableError(
            f"exposures has no column {', '.join(missing)}.", "See the contract of exposures."
        )
    table = exposures.select(list(COLUMNS))
    for name in COLUMNS:
        if table[name].null_count:
            raise TableError(f"exposures.{name} has {table[name].null_count} nulls.")
    if not pa.types.is_timestamp(table["timestamp"].type) or table["timestamp"].type.tz is None:
        raise TableError("exposures.timestamp must be a timestamp with a time zone.")
    return table


def examined_chance(position: np.ndarray) -> np.ndarray:
    """Chance that an item at a position, from 1, is looked at."""
    return np.asarray(position**-_EXAMINE_DECAY)


def liked_chance(odds: np.ndarray) -> np.ndarray:
    """Chance that an examined item is acted on, from its log odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def liking(world: Truth, users: np.ndarray, user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Log odds that a user acts on an examined item, but for its novelty, float64 [pairs].

    Args:
        world: The planted truth.
        users: Ids.
        user: Rows of `users` [pairs].
        item: Rows of the catalogue [pairs].
    """
    odds = np.empty(len(user))
    for first in range(0, len(users), _USERS_AT_A_TIME):
        known = world.users(users[first : first + _USERS_AT_A_TIME])
        rows = np.flatnonzero((user >= first) & (user < first + _USERS_AT_A_TIME))
        odds[rows] = _liking(world, known, user[rows] - first, item[rows])
    return odds


def novelty(world: Truth, item: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Log odds that an item's newness adds at moments (microseconds since 1970 UTC)."""
    age_days = np.maximum(moment - world.published[item], 0) / DAY
    return np.asarray(_NOVELTY * np.exp(-age_days / _NOVELTY_DAYS))


def _liking(world: Truth, known: KnownUsers, user: np.ndarray, item: np.ndarray) -> np.ndarray:
    taste = np.empty(len(user))
    for item_type in known.taste:
        rows = np.flatnonzero(world.item_types[item] == item_type)
        taste[rows] = np.einsum(
            "nd,nd->n", known.taste[item_type][user[rows]], world.taste[item[rows]]
        )
    popular = world.popularity[item] + world.local_popularity[known.country[user], item]
    speaks = known.speaks[user, world.language[item]]
    return np.asarray(
        _BASE + _TASTE * taste + _POPULARITY * popular + speaks + known.eagerness[user]
    )


def first_streams(
    world: Truth, users: np.ndarray, user: np.ndarray, item: np.ndarray
) -> np.ndarray:
    """Moment of each user's first stream of the item by themselves, NaN for none, [pairs].

    Arguments as of `liking`.
    """
    past = world.streamed(users)
    place = pd.Index(users, dtype=object).get_indexer(pd.Index(past["user_id"].to_pylist()))
    key = place.astype(np.int64) * len(world.item_ids) + world.item_rows(past["item_id"])
    since = pd.Series(past["timestamp"].cast(pa.int64()).to_numpy(), index=key)
    return np.asarray(since.reindex(user * len(world.item_ids) + item).to_numpy(), dtype=float)


def encoded(ids: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct ids in order of appearance, and each row's place among them."""
    coded = pc.dictionary_encode(ids).combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = (
            coded.chunk(0) if coded.num_chunks else pa.array([], pa.string()).dictionary_encode()
        )
    names = np.empty(len(coded.dictionary), dtype=object)
    names[:] = coded.dictionary.to_pylist()
    return names, coded.indices.to_numpy().astype(np.int64)
