"""Exact search over the release in use, in this process: no copy of it, no hop, no wait."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colisten.errors import ReleaseError
from colisten.index.exact import best_of
from colisten.index.protocol import check_width
from colisten.index.pruned import PrunedVectors
from colisten.logs import logger
from colisten.release.loaded import LoadedRelease

_FEW = 8
_log = logger("serving.nearest")


class NearestItems:
    """Finds what is nearest to a user among the items that a release recommends.

    Args:
        release: Whose vectors; where they are many and long they are turned once, which takes
            about a second and a quarter of their memory more.
    """

    def __init__(self, release: LoadedRelease) -> None:
        self._release = release
        self._rows = np.arange(release.target.start, release.target.stop, dtype=np.int64)
        self._pruned: PrunedVectors | None = None
        if PrunedVectors.pays(release.item_vectors):
            self._pruned = PrunedVectors(release.item_vectors, _queries(release))

    def of(
        self,
        query: np.ndarray,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        left_out: Sequence[str] = (),
    ) -> tuple[list[int], list[float]]:
        """The k nearest items: catalogue indices and scores, nearest first, ties by index.

        Args:
            query: float32 [1, dim], of unit length.
            k: Most items, 1 or more.
            allowed: bool [n_target], which items may come; None for all.
            left_out: Ids of items that may not.

        Raises:
            VectorIndexError: The query is not as long as the vectors.
        """
        vectors = self._release.item_vectors
        check_width(query, vectors.shape[1], self._release.release_id)
        allowed = self._but(allowed, left_out)
        places = None if allowed is None else np.flatnonzero(allowed)
        many = places is None or len(places) * _FEW > len(vectors)
        if many and self._pruned is not None:
            found = self._pruned.candidates(query[0], k, allowed)
            places, many = (places, many) if found is None else (found, False)
        if many:
            scores = vectors @ query[0]
            scores = scores if places is None else scores[places]
        else:
            scores = vectors[places] @ query[0]
        rows = self._rows if places is None else self._rows[places]
        best = best_of(scores, rows, min(k, len(rows)))
        return rows[best].tolist(), scores[best].tolist()

    def _but(self, allowed: np.ndarray | None, left_out: Sequence[str]) -> np.ndarray | None:
        if not left_out:
            return allowed
        n = len(self._rows)
        mask = np.ones(n, dtype=bool) if allowed is None else allowed.copy()
        gone = self._release.index_of(left_out) - self._release.target.start
        mask[gone[(gone >= 0) & (gone < n)]] = False
        return mask


def _queries(release: LoadedRelease) -> np.ndarray:
    """Some users' vectors; which ones decides how fast a search is, and not what it finds."""
    try:
        users = release.golden_set().vectors
    except ReleaseError as error:
        _log.warning("golden_set_missing", error=str(error))
        return release.item_vectors
    return users if len(users) else release.item_vectors
