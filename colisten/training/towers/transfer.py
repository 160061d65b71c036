"""From other types' histories to target items: ridge regression on factors that hold no target.

Users new to the recommended type are known by their other histories alone. Those are condensed to
leading factors by a truncated SVD of who touched what, and a ridge regression says how much more
often than everybody people who stand somewhere among these factors start each target item. The
factors hold no event of the recommended type, so they cannot leak an answer.

The result has the form of item vectors, so that histories are means over it like over any other
block: an item of another type has its factors, a target item its lifts, and a user's unit mean
times an item's lifts estimates `(share of such users who start it) / (share of all) - 1`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from colisten.data.catalogue import Catalogue
from colisten.features.transform import UserFeatureSpec, encode_users
from colisten.features.users import History, UserBatch, UserFields
from colisten.training.towers.rows import music_dim, rows_of
from colisten.training.towers.settings import TowersTraining

# An item counts as this power of how many touched it: all have it says little of a taste.
_TEMPER = 0.5
# Ridge penalty in units of the factors' mean variance.
_PENALTY = 5.0
# Starts that a lift is shrunk by: an item with as many has half of what its starts say.
_SHRINK = 10.0
# Users behind the factors; more change little and cost time.
_USERS = 200_000
_TINY = 1e-9


def transfer_vectors(
    rows: pa.Table,
    whole: pa.Table,
    catalogue: Catalogue,
    settings: TowersTraining,
    *,
    as_of: int | None = None,
) -> NDArray[np.float32]:
    """Factors of the other types' items, and lifts of the target items.

    Args:
        rows: First starts with user_id, item_id (target type) and timestamp.
        whole: Feature rows of their users as of the cut.
        catalogue: Items.
        settings: `towers.transfer` factors; types, signals and half-life of a history.
        as_of: Microseconds since 1970 UTC; nothing at or after it counts. None: all.

    Returns:
        float32 [num_items, towers.transfer]; zero rows for items that nobody touched, and all
        zero where the histories hold too little to condense.

    Raises:
        TrainingError: `whole` lacks a user of `rows`.
    """
    data = settings.data
    out = np.zeros((len(catalogue), settings.towers.transfer), dtype=np.float32)
    users = UserBatch.from_table(whole, catalogue.index_of, UserFields.of(data, music_dim(whole)))
    if as_of is not None:
        users = replace(
            users,
            histories={
                name: each.where(each.times < as_of) for name, each in users.histories.items()
            },
        )
        moment = pa.scalar(as_of, pa.int64())
        rows = rows.filter(pc.less(rows["timestamp"].cast(pa.int64()), moment))
    if not rows.num_rows:
        return out
    others = [name for name in users.histories if name != data.target_type]
    factors = _factors([users.histories[name] for name in others], len(catalogue), out.shape[1])
    if factors is None:
        return out
    out[:, : factors.shape[1]] = factors
    profile = _profiles(users, others, out, settings)
    target = catalogue.slice_of(data.target_type)
    started = sparse.csr_array(
        (
            np.ones(rows.num_rows),
            (
                rows_of(_objects(rows["user_id"]), users.user_ids),
                catalogue.index_of(rows["item_id"].to_pylist()) - target.start,
            ),
        ),
        shape=(len(users), target.stop - target.start),
    )
    out[target] = _lifts(profile, started)
    return out


def _factors(histories: list[History], num_items: int, dim: int) -> NDArray[np.float64] | None:
    """Leading right singular vectors of users by items [num_items, k <= dim]; None for none."""
    users = [np.repeat(np.arange(len(each)), each.counts) for each in histories]
    count = len(histories[0]) if histories else 0
    pairs = [
        np.zeros(0, np.int64),
        *(at * num_items + each.items for at, each in zip(users, histories, strict=True)),
    ]
    pair = np.unique(np.concatenate(pairs))
    touched = sparse.csr_array(
        (np.ones(len(pair)), (pair // num_items, pair % num_items)), shape=(count, num_items)
    )
    touched = touched[:: max(1, -(-count // _USERS))]
    items = np.flatnonzero(touched.sum(axis=0))
    k = min(dim, touched.shape[0] - 1, len(items) - 1)
    if k < 1:
        return None
    some = touched[:, items]
    scale = np.asarray(some.sum(axis=0)).ravel() ** -_TEMPER
    start = np.random.default_rng(0).standard_normal(min(some.shape))
    _, values, right = svds(some @ sparse.diags_array(scale), k=k, v0=start)
    order = np.argsort(-values, kind="stable")
    order = order[values[order] > values.max() * 1e-6]
    right = right[order]
    right *= np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])[:, None]
    out = np.zeros((num_items, len(order)))
    out[items] = right.T * scale[:, None]
    return out / max(float(np.abs(out).max()), _TINY)


def _profiles(
    users: UserBatch, others: list[str], vectors: NDArray[np.float32], settings: TowersTraining
) -> NDArray[np.float64]:
    """Where users stand among the factors [U, dim]: the sum of what the towers will hear."""
    spec = UserFeatureSpec.fit(
        users,
        settings.data,
        settings.features,
        vector_dim=vectors.shape[1],
        types=tuple(users.histories),
    )
    out = np.zeros((len(users), vectors.shape[1]))
    encoded = encode_users(spec, users, vectors)
    for name in others:
        start = spec.history(name).start
        mean = encoded[:, start : start + vectors.shape[1]].astype(np.float64)
        out += mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), _TINY)
    return out


def _lifts(profile: NDArray[np.float64], started: sparse.csr_array) -> NDArray[np.float32]:
    """Ridge coefficients of every target item over its share of users [n_target, dim]."""
    known = np.flatnonzero(profile.any(axis=1) & (np.asarray(started.sum(axis=1)).ravel() > 0))
    if not len(known):
        return np.zeros((started.shape[1], profile.shape[1]), dtype=np.float32)
    x, y = profile[known], started[known]
    share = np.asarray(y.mean(axis=0)).ravel()
    gram = x.T @ x
    penalty = _PENALTY * np.trace(gram) / len(gram)
    residual = (y.T @ x).T - np.outer(x.sum(axis=0), share)
    weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), residual)
    return np.asarray(weights.T / (share + _SHRINK / len(known))[:, None], dtype=np.float32)


def _objects(column: pa.ChunkedArray) -> NDArray[np.object_]:
    out = np.empty(len(column), dtype=object)
    out[:] = column.to_pylist()
    return out
