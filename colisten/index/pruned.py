"""Exact search that reads a part of the vectors: few columns say nearly all of an inner product.

Served vectors are long (taste, popularity, text, graph side by side), and one query reads all of
them: memory, not arithmetic, is what it costs. So vectors are turned once, by a scaling and a
rotation that put the columns first in which users and items differ most. The first columns give
every score up to a remainder, which is no greater than the product of the two remainders' lengths
(Cauchy-Schwarz). Whatever cannot reach the k-th score that way is left out; of the others more
columns are read, and what is left then is scored by the vectors themselves. So the answer is that
of the whole product, for any query: which queries the turn was made for decides how much is left
out, and nothing else.

Several queries that come together read the first columns together: four cost what two would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FIRST, COLUMNS = 128, 256
"""Columns that are read of every item, and of what these leave."""
MIN_ITEMS = 2_000
"""Below this many items the whole product takes no time."""
_MIN_LENGTH = 2  # times COLUMNS: shorter vectors are read whole
_SAMPLE = 4_096  # items that the turn is made for
_BLOCK = 1_024  # vectors that are turned at a time
_MORE = 16  # items beyond k that are scored first, for a k-th score to beat
_FEW = 4  # where more than one in so many items is left, the whole product costs less
_ENOUGH = 256  # items: to read more columns of so few takes longer than to read all
_STRIDES = 64  # of so many items, the best is likely to be scored first
_ROWS = 4  # of a product of matrices; fewer cost as much
_EPSILON = float(np.finfo(np.float32).eps)
_LEAST_ENERGY = 1e-6


@dataclass(frozen=True, eq=False)
class FirstScores:
    """What the first columns say of one query.

    Attributes:
        turned: The query's own columns, float32 [columns].
        scores: float32 [n], of every item; used up by `PrunedVectors.candidates`.
        rests: Lengths of what the first columns, and all of them, leave of the query.
        length: Length of what they hold of it.
    """

    turned: np.ndarray
    scores: np.ndarray
    rests: np.ndarray
    length: float


class PrunedVectors:
    """n vectors, turned.

    Args:
        vectors: float32 [n, d], rows no longer than one or so.
        queries: [Q, d], some queries as they come.
        rest: Called after each part of the work, so that others get to work.
    """

    def __init__(
        self,
        vectors: np.ndarray,
        queries: np.ndarray,
        rest: Callable[[], object] = lambda: None,
    ) -> None:
        step = -(-len(vectors) // _SAMPLE)
        items = _energy(vectors[::step])
        rest()
        users = _energy(queries[:_SAMPLE])
        self._stretch = (_diagonal(items) / _diagonal(users)) ** 0.25
        stretched = users * np.outer(self._stretch, self._stretch)
        stretched += items / np.outer(self._stretch, self._stretch)
        rest()
        turn = np.linalg.eigh(stretched)[1][:, ::-1][:, :COLUMNS]
        rest()
        self._turn = np.ascontiguousarray(turn)  # float64 [d, columns], orthonormal
        self._vectors = vectors
        n, columns = len(vectors), self._turn.shape[1]
        self._first = np.empty((n, min(FIRST, columns)), np.float32)
        self._more = np.empty((n, columns - self._first.shape[1]), np.float32)
        self._rests = np.empty((2, n), np.float32)
        longest = 0.0
        for start in range(0, n, _BLOCK):
            block = slice(start, start + _BLOCK)
            whole = vectors[block].astype(np.float64) / self._stretch
            turned = whole @ self._turn
            self._first[block], self._more[block] = self._parts(turned)
            self._rests[:, block] = self._left(whole, turned)
            longest = max(longest, float(np.einsum("nd,nd->n", turned, turned).max()))
            rest()
        self._longest = longest**0.5

    @staticmethod
    def pays(vectors: np.ndarray) -> bool:
        """Whether vectors [n, d] are many and long enough."""
        return len(vectors) >= MIN_ITEMS and vectors.shape[1] >= _MIN_LENGTH * COLUMNS

    def first(self, queries: np.ndarray) -> list[FirstScores]:
        """What the first columns say of each of B queries, float32 [B, d]."""
        whole = queries.astype(np.float64) * self._stretch
        turned = whole @ self._turn
        own = turned.astype(np.float32)
        return [
            FirstScores(*one)
            for one in zip(
                own,
                self._products(self._parts(own)[0]),
                self._left(whole, turned).T,
                np.linalg.norm(turned, axis=1).tolist(),
                strict=True,
            )
        ]

    def candidates(
        self,
        query: np.ndarray,
        k: int,
        allowed: np.ndarray | None = None,
        *,
        left_out: np.ndarray | None = None,
        first: FirstScores | None = None,
    ) -> np.ndarray | None:
        """Positions of all that can be among the k nearest, ascending; None where they are many.

        Args:
            query: float32 [d].
            k: How many are asked for, 1 or more.
            allowed: bool [n]; None for all.
            left_out: Positions of a few that are not allowed, whatever `allowed` says.
            first: Of this query; made here where it is not given.
        """
        n = len(self._vectors)
        if (k + _MORE) * _FEW > n:
            return None
        if first is None:
            (first,) = self.first(query[None])
        scores = first.scores
        if allowed is not None:
            np.copyto(scores, -np.inf, where=~allowed)
        if left_out is not None:
            scores[left_out] = -np.inf
        likely = _likely(scores, k + _MORE)
        if len(likely) < k:
            return np.flatnonzero(np.isfinite(scores))
        # What rounding may take from either side, however the sums were made.
        columns = self._turn.shape[1]
        rounding = _EPSILON * (columns * self._longest * first.length + 2.0 * len(query))
        beaten = self._beaten(query, k, likely) - rounding
        left = np.flatnonzero(scores + self._rests[0] * first.rests[0] >= beaten)
        if len(left) <= _ENOUGH:
            return left
        more = self._parts(first.turned)[1]
        if len(left) * _FEW > n:  # to read all in turn costs less than to pick
            left, scores = np.arange(n), scores + self._more @ more
        else:
            scores = scores[left] + self._more[left] @ more
        likely = left[_likely(scores, k + _MORE)] if len(left) > k + _MORE else left
        beaten = max(beaten, self._beaten(query, k, likely) - rounding)
        found = left[scores + self._rests[1, left] * first.rests[1] >= beaten]
        return None if len(found) * _FEW > n else found

    def _beaten(self, query: np.ndarray, k: int, places: np.ndarray) -> float:
        """The k-th score of some items: no other than those that reach it are nearest."""
        own = self._vectors[places] @ query
        return float(np.partition(own, len(own) - k)[len(own) - k])

    def _products(self, queries: np.ndarray) -> np.ndarray:
        """Scores of every item by the first columns, float32 [B, n]."""
        if len(queries) == 1:
            return np.asarray((self._first @ queries[0])[None])
        rows = -(-len(queries) // _ROWS) * _ROWS
        padded = np.zeros((rows, queries.shape[1]), np.float32)
        padded[: len(queries)] = queries
        return np.asarray((padded @ self._first.T)[: len(queries)])

    def _parts(self, turned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first columns and those that follow."""
        first = self._first.shape[1]
        return turned[..., :first], turned[..., first:]

    def _left(self, whole: np.ndarray, turned: np.ndarray) -> np.ndarray:
        """Lengths of what the first columns, and all of them, leave, float32 [2, n]."""
        lengths = [_remainder(whole, part) for part in (self._parts(turned)[0], turned)]
        return np.asarray(lengths, np.float32) * np.float32(1.0 + 4 * _EPSILON)


def _likely(scores: np.ndarray, count: int) -> np.ndarray:
    """Positions of `count` items, or fewer, that are among the best of finite scores.

    Where there are many more than that, each is the best of its stride: to find the very best of
    all would take longer than what is left out by them saves.
    """
    n = len(scores)
    width = n // _STRIDES
    if width < 4 * count:
        likely = np.argpartition(scores, n - count)[n - count :]
    else:
        strides = scores[: _STRIDES * width].reshape(_STRIDES, width)
        best = np.argpartition(strides.max(axis=0), width - count)[width - count :]
        likely = strides[:, best].argmax(axis=0) * width + best
    likely = likely[np.isfinite(scores[likely])]
    return np.asarray(likely)


def _energy(rows: np.ndarray) -> np.ndarray:
    """Second moment of rows, float64 [d, d], its trace 1."""
    exact = rows.astype(np.float64)
    moment = exact.T @ exact
    return np.asarray(moment / max(float(np.trace(moment)), np.finfo(np.float64).tiny))


def _diagonal(moment: np.ndarray) -> np.ndarray:
    return np.diag(moment) + _LEAST_ENERGY / len(moment)


def _remainder(whole: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Lengths of what the first columns leave, [n]; a little too long rather than too short."""
    squared = np.einsum("nd,nd->n", whole, whole)
    left = squared - np.einsum("nd,nd->n", first, first)
    lengths = np.sqrt(np.maximum(left, 0.0) + 1e-12 * squared)
    return np.asarray(lengths)
