"""Logits that mean the same for every user and after every training.

The softmax of training does not change where a number is added to all of one user's logits, so how
high a logit is says nothing by itself: the next training of the same model may give cold users
twice as much, for every title. What does say something is how much of a user's softmax a title has.
Its log is the logit less the log of the sum over all titles; that sum is taken over few of them
here, the most popular ones and some of the others that stand for all others, since a service has no
time for every title. In a catalogue of no more than these it is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from colisten.models.vector_layout import VectorLayout

# The most popular titles, and as many others.
_POPULAR = 256
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class RelativeLogits:
    """Logits less the log of their user's sum.

    Attributes:
        layout: Of the vectors.
        vectors: Of the titles that the sum is taken over, float32 [m, dim].
        log_counts: Log of how many titles each of them stands for, float64 [m].
    """

    layout: VectorLayout
    vectors: np.ndarray
    log_counts: np.ndarray

    @classmethod
    def over(cls, layout: VectorLayout, item_vectors: np.ndarray, popular: np.ndarray) -> Self:
        """Those of a catalogue.

        Args:
            layout: Of the vectors.
            item_vectors: Unit vectors [n, dim].
            popular: Every row of them, most popular first, int64 [n].
        """
        first, others = popular[:_POPULAR], popular[_POPULAR:]
        places = np.linspace(0, len(others) - 1, min(_POPULAR, len(others)))
        some = others[places.astype(np.int64)]
        counts = np.ones(len(first) + len(some))
        counts[len(first) :] = len(others) / max(1, len(some))
        rows = np.concatenate([first, some]).astype(np.int64)
        return cls(layout, np.ascontiguousarray(item_vectors[rows], np.float32), np.log(counts))

    def of(self, inner: np.ndarray, users: np.ndarray) -> np.ndarray:
        """Of inner products [B, k] of each user's own titles, float64 [B, k].

        Args:
            inner: Of the users' vectors with those of titles.
            users: Unit vectors [B, dim].
        """
        return np.asarray(self.layout.logits(inner, users) - self.log_sums(users)[:, None])

    def log_sums(self, users: np.ndarray) -> np.ndarray:
        """Log of the sum over all titles, float64 [B], for unit vectors [B, dim]."""
        sums = np.zeros(len(users))
        for start in range(0, len(users), _BLOCK):
            block = users[start : start + _BLOCK]
            logits = self.layout.logits(block @ self.vectors.T, block) + self.log_counts
            top = logits.max(axis=1, initial=-np.inf, keepdims=True)
            with np.errstate(divide="ignore"):
                rest = np.log(np.exp(logits - top).sum(axis=1))
            sums[start : start + _BLOCK] = top[:, 0] + rest
        return sums
