"""Exact search that reads a part of the vectors: few columns say nearly all of an inner product.

Served vectors are long (taste, popularity, text, graph side by side), and one query reads all of
them: memory, not arithmetic, is what it costs. So vectors are turned once, by a scaling and a
rotation that put the columns first in which users and items differ most. The first columns give
every score up to a remainder, which is no greater than the product of the two remainders' lengths
(Cauchy-Schwarz). Whatever cannot reach the k-th score that way is left out; the others are scored
by the vectors themselves. So the answer is that of the whole product, for any query: which
queries the turn was made for decides how much is left out, and nothing else.
"""

from __future__ import annotations

import numpy as np

COLUMNS = 224
"""Columns that are read of every item."""
MIN_ITEMS = 2_000
"""Below this many items the whole product takes no time."""
_MIN_LENGTH = 2  # times COLUMNS: shorter vectors are read whole
_SAMPLE = 4_096  # items that the turn is made for
_BLOCK = 16_384
_MORE = 16  # items beyond k that are scored first, for a k-th score to beat
_FEW = 4  # where more than one in so many items is left, the whole product costs less
_EPSILON = float(np.finfo(np.float32).eps)
_LEAST_ENERGY = 1e-6


class PrunedVectors:
    """n vectors, turned.

    Args:
        vectors: float32 [n, d], rows no longer than one or so.
        queries: [Q, d], some queries as they come.
    """

    def __init__(self, vectors: np.ndarray, queries: np.ndarray) -> None:
        step = -(-len(vectors) // _SAMPLE)
        items, users = _energy(vectors[::step]), _energy(queries[:_SAMPLE])
        self._stretch = (_diagonal(items) / _diagonal(users)) ** 0.25
        stretched = users * np.outer(self._stretch, self._stretch)
        stretched += items / np.outer(self._stretch, self._stretch)
        turn = np.linalg.eigh(stretched)[1][:, ::-1][:, :COLUMNS]
        self._turn = np.ascontiguousarray(turn)  # float64 [d, columns], orthonormal
        self._vectors = vectors
        self._first = np.empty((len(vectors), self._turn.shape[1]), np.float32)
        self._rest = np.empty(len(vectors), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            block = slice(start, start + _BLOCK)
            whole = vectors[block].astype(np.float64) / self._stretch
            first = whole @ self._turn
            self._first[block] = first
            self._rest[block] = _remainder(whole, first)
        longest = np.einsum("nd,nd->n", self._first, self._first).max(initial=0.0)
        self._longest = float(np.sqrt(longest))

    @staticmethod
    def pays(vectors: np.ndarray) -> bool:
        """Whether vectors [n, d] are many and long enough."""
        return len(vectors) >= MIN_ITEMS and vectors.shape[1] >= _MIN_LENGTH * COLUMNS

    def candidates(
        self, query: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> np.ndarray | None:
        """Positions of all that can be among the k nearest, ascending; None where they are many.

        Args:
            query: float32 [d].
            k: How many are asked for, 1 or more.
            allowed: bool [n]; None for all.
        """
        n = len(self._vectors)
        if (k + _MORE) * _FEW > n:
            return None
        whole = query.astype(np.float64) * self._stretch
        first = whole @ self._turn
        scores = self._first @ first.astype(np.float32)
        if allowed is not None:
            scores[~allowed] = -np.inf
        likely = np.argpartition(scores, n - k - _MORE)[n - k - _MORE :]
        likely = likely[np.isfinite(scores[likely])]
        if len(likely) < k:
            return None if allowed is None else np.flatnonzero(allowed)
        own = self._vectors[likely] @ query
        beaten = float(np.partition(own, len(own) - k)[len(own) - k])
        # What rounding may take from either side, however the sums were made.
        rounding = _EPSILON * (
            len(first) * self._longest * float(np.linalg.norm(first)) + 2.0 * len(query)
        )
        scores += self._rest * np.float32(_remainder(whole[None], first[None])[0])
        found = np.flatnonzero(scores >= beaten - rounding)
        return None if len(found) * _FEW > n else found


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
    lengths = np.sqrt(np.maximum(left, 0.0) + 1e-12 * squared) * (1.0 + 4 * _EPSILON)
    return np.asarray(lengths)
