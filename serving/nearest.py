"""Exact search over the release in use, in this process: no copy of it, no hop, no wait.

One query reads all of the vectors, or the first columns of all of them; what comes together is
searched together, and reads them once. The answer to a query is the same, to the last bit, whatever
comes beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import NamedTuple

import numpy as np

from colisten.errors import ReleaseError
from colisten.index.exact import best_of
from colisten.index.protocol import check_width
from colisten.index.pruned import FirstScores, PrunedVectors
from colisten.logs import logger
from colisten.release.loaded import LoadedRelease
from colisten.serving.pace import Unhurried, at_once

_FEW = 8
# By how much a score may differ that is made in another order, in units of the square root of the
# number of its terms.
_ROUNDING = 8 * float(np.finfo(np.float32).eps)
_log = logger("serving.nearest")


@dataclass(frozen=True, eq=False)
class Query:
    """What is searched for one user.

    Attributes:
        vector: float32 [dim], of unit length.
        k: Most items, 1 or more.
        allowed: bool [n_target], which items may come; None for all.
        left_out: Ids of items that may not.
    """

    vector: np.ndarray
    k: int
    allowed: np.ndarray | None = None
    left_out: Sequence[str] = ()


class Found(NamedTuple):
    """Nearest first, ties by index.

    Attributes:
        items: Catalogue indices.
        scores: Inner products.
    """

    items: list[int]
    scores: list[float]


class NearestItems:
    """Finds what is nearest to a user among the items that a release recommends.

    Args:
        release: Whose vectors.
    """

    def __init__(self, release: LoadedRelease) -> None:
        self._release = release
        self._vectors = release.item_vectors
        self._start = release.target.start
        self._slack = _ROUNDING * max(1, self._vectors.shape[1]) ** 0.5
        self._pruned: PrunedVectors | None = None

    def turn(self, rest: Callable[[], None] = at_once) -> None:
        """Turn the vectors, where they are so many and so long that searches are faster then.

        Once a release; it takes some seconds, and a third of their memory more. Searches may go on
        meanwhile, and find the same before and after.

        Args:
            rest: Called now and then, so that others get to work.
        """
        if PrunedVectors.pays(self._vectors):
            self._pruned = PrunedVectors(self._vectors, _queries(self._release), rest)

    def turn_beside(self) -> None:
        """Do so in a thread that gives way to answers: nobody need wait for the first of them."""
        Thread(target=self._turn_unhurried, name="turn-vectors", daemon=True).start()

    def of(self, query: Query) -> Found:
        """The k nearest items of one query; raises as `of_all`."""
        return self.of_all([query])[0]

    def of_all(self, queries: Sequence[Query]) -> list[Found]:
        """The nearest items of each query.

        Raises:
            VectorIndexError: A query is not as long as the vectors.
        """
        for query in queries:
            check_width(query.vector[None], self._vectors.shape[1], self._release.release_id)
        gone = [self._places(query.left_out) for query in queries]
        # Vectors of a few are gathered; many are scored with all others, which costs less.
        many = [at for at, query in enumerate(queries) if self._is_for_many(query, gone[at])]
        pruned = self._pruned  # it may come at any moment
        together = np.array([queries[at].vector for at in many], np.float32)
        firsts: dict[int, FirstScores] = {}
        rough: dict[int, np.ndarray] = {}
        if many and pruned is not None:
            firsts = dict(zip(many, pruned.first(together), strict=True))
        elif many:
            rough = dict(zip(many, self._products(together), strict=True))
        return [
            self._found(query, gone[at], pruned, firsts.get(at), rough.get(at))
            for at, query in enumerate(queries)
        ]

    def _turn_unhurried(self) -> None:
        self.turn(Unhurried())  # it counts what this thread works

    def _is_for_many(self, query: Query, gone: np.ndarray) -> bool:
        n = len(self._vectors)
        allowed = n if query.allowed is None else np.count_nonzero(query.allowed)
        return bool((allowed - len(gone)) * _FEW > n)

    def _products(self, queries: np.ndarray) -> np.ndarray:
        """Scores of all items, float32 [B, n]."""
        if len(queries) == 1:
            return np.asarray((self._vectors @ queries[0])[None])
        return np.asarray(queries @ self._vectors.T)

    def _found(
        self,
        query: Query,
        gone: np.ndarray,
        pruned: PrunedVectors | None,
        first: FirstScores | None,
        rough: np.ndarray | None,
    ) -> Found:
        places: np.ndarray | None = None
        if first is not None and pruned is not None:
            places = pruned.candidates(
                query.vector, query.k, query.allowed, left_out=gone, first=first
            )
            if places is None:  # too many are left
                rough = self._products(query.vector[None])[0]
        if places is None:
            mask = np.ones(len(self._vectors), bool) if query.allowed is None else query.allowed
            places = np.flatnonzero(mask)
            places = places[~np.isin(places, gone)] if len(gone) else places
        own = self._vectors[places] @ query.vector if rough is None else rough[places]
        return self._best(query, places, own)

    def _best(self, query: Query, places: np.ndarray, rough: np.ndarray) -> Found:
        """The best of some places.

        A product of matrices adds in an order that depends on how many rows and columns it has. So
        such scores say what comes into question, and what stands in an answer is added up row by
        row.
        """
        k = min(query.k, len(places))
        if k == 0:
            return Found([], [])
        if k < len(places):
            least = np.partition(rough, len(rough) - k)[len(rough) - k]
            places = places[rough >= least - self._slack]
        scores = np.einsum("nd,d->n", self._vectors[places], query.vector)
        best = best_of(scores, places, k)
        return Found((places[best] + self._start).tolist(), scores[best].tolist())

    def _places(self, ids: Sequence[str]) -> np.ndarray:
        """Where items lie that may not come, int64; those that could not anyhow are left out."""
        places = self._release.index_of(ids) - self._start
        return np.asarray(places[(places >= 0) & (places < len(self._vectors))])


def _queries(release: LoadedRelease) -> np.ndarray:
    """Some users' vectors; which ones decides how fast a search is, and not what it finds."""
    try:
        users = release.golden_set().vectors
    except ReleaseError as error:
        _log.warning("golden_set_missing", error=str(error))
        return release.item_vectors
    return users if len(users) else release.item_vectors
