"""What is compared: chance, mean vectors (text-KNN, HGNN-mean) and two towers.

A ranker scores every item of the target type for a block of users, named by their rows among
`EligibleUsers` or in an `EvaluationSet`. Excluding items is not its business. A user on whom a
vector ranker knows nothing (no history, or only items without a vector) gets the order of its
`fallback`, popularity: the scores of that row are then no inner products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from colisten.errors import EvaluationError
from colisten.features.users import UserBatch

CHANCE = "random"
SUBJECT = "2T-HGNN"
"""What the table calls our own model."""
_TINY = 1e-12


class Ranker(Protocol):
    """Anything that scores the target items for users."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Scores of users `rows` (int64 [b]), float32 [b, num_target]; higher is better."""


@dataclass(frozen=True)
class RandomRanker:
    """Chance level: every item equally likely at every rank.

    Attributes:
        num_target: Items of the target type.
        seed: Equal seeds give equal lists, whatever the blocks.
        name: What the table calls it.
    """

    num_target: int
    seed: int = 0
    name: str = CHANCE

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Uniform scores that depend on seed, user row and item alone; see `Ranker`."""
        with np.errstate(over="ignore"):
            user = _mixed(np.asarray(rows, np.uint64) + _mixed(np.uint64(self.seed)))
            item = np.arange(self.num_target, dtype=np.uint64)
            mixed = _mixed(user[:, None] + item[None, :])
        return (mixed >> np.uint64(40)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class PopularityRanker:
    """The same order for everyone.

    Attributes:
        name: What the table calls it.
        popular: Score of each item, float32 [num_target].
    """

    name: str
    popular: np.ndarray

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """The scores, once per user, float32 [b, num_target]; see `Ranker`."""
        return np.broadcast_to(self.popular, (len(rows), len(self.popular)))


@dataclass(frozen=True, eq=False)
class VectorRanker:
    """Inner product of user and item vectors, such as those of two towers.

    Attributes:
        name: What the table calls it.
        user_vectors: float32 [U, d], by row; a zero row is a user on whom nothing is known.
        item_vectors: float32 [num_target, d].
        fallback: float32 [num_target], the order for users on whom nothing is known.
    """

    name: str
    user_vectors: np.ndarray
    item_vectors: np.ndarray
    fallback: np.ndarray

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Inner products; see `Ranker`."""
        return _inner(self.user_vectors[rows], self.item_vectors, self.fallback)


@dataclass(frozen=True, eq=False)
class MeanVectorRanker:
    """Items near the mean of a user's history: text-KNN with text vectors, HGNN-mean with z.

    The mean runs over the events of all item types together; every event counts the same.

    Attributes:
        name: What the table calls it.
        users: History of each user, in the order of the rows.
        item_vectors: float32 [num_items, d], for all types; a zero row counts for nothing.
        target: Where the target type lies in the catalogue.
        fallback: float32 [num_target], the order for users on whom nothing is known.
    """

    name: str
    users: UserBatch
    item_vectors: np.ndarray
    target: slice
    fallback: np.ndarray

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Inner products of unit means and target vectors; see `Ranker`."""
        means = mean_vectors(self.users.take(rows), self.item_vectors)
        return _inner(means, self.item_vectors[self.target], self.fallback)


def mean_vectors(users: UserBatch, item_vectors: np.ndarray) -> np.ndarray:
    """Unit means of the vectors of each user's history over all types.

    Args:
        users: B users.
        item_vectors: float32 [num_items, d].

    Returns:
        float32 [B, d]; a zero row where there is no history or its mean is zero.
    """
    histories = list(users.histories.values())
    means = np.zeros((len(users), item_vectors.shape[1]), dtype=np.float32)
    # One product a user, so that a mean's bits depend on its own user alone.
    for user in range(len(users)):
        spans = [(h, slice(h.offsets[user], h.offsets[user + 1])) for h in histories]
        items = np.concatenate([history.items[span] for history, span in spans])
        means[user] = np.ones(len(items), np.float32) @ item_vectors[items]
    norms = np.linalg.norm(means.astype(np.float64), axis=1, keepdims=True)
    return np.where(norms > _TINY, means / np.maximum(norms, _TINY), 0.0).astype(np.float32)


def _inner(users: np.ndarray, items: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    if users.shape[1] != items.shape[1] or len(fallback) != len(items):
        raise EvaluationError(
            f"User vectors {users.shape}, item vectors {items.shape} and a fallback of "
            f"{len(fallback)} items do not fit together.",
            "Take them from one model and one catalogue.",
        )
    # asarray copies nothing that is float32 already, so mapped item vectors stay on disk.
    scores: np.ndarray = np.asarray(users, np.float32) @ np.asarray(items, np.float32).T
    unknown = ~users.any(axis=1)
    scores[unknown] = fallback
    return scores


def _mixed(value: np.ndarray | np.uint64) -> np.ndarray:
    """SplitMix64's finaliser (Steele et al. 2014): neighbouring inputs give unrelated outputs."""
    mixed = np.atleast_1d(np.asarray(value, np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: np.ndarray = mixed ^ (mixed >> np.uint64(31))
    return out
