"""Whether an index answers for the release that asks it, or for something else.

A collection can lose rows, be half written, or be another one of the same name, and still answer.
Its count is looked at when a release is taken up and now and then after that; every answer is held
against what the release itself says of the items in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from colisten.errors import VectorIndexError
from colisten.index.filter import EVERY_ITEM
from colisten.release.golden_set import TOP
from colisten.release.loaded import LoadedRelease
from colisten.serving.index_client import IndexClient

INCOMPLETE, FOREIGN, SHORT, ERROR, UNCHECKED_REASON = REASONS = (
    "index_incomplete",
    "index_foreign",
    "index_short",
    "index_error",
    "index_unchecked",
)
# An index may compress its vectors; another release's are further off than that.
_SCORE_TOLERANCE = 0.02
_WITNESSES = 4
TARGET_ITEMS = "target_items"
"""Among a manifest's counts: what its collection holds."""


@dataclass(frozen=True)
class IndexFault:
    """What is wrong with an index.

    Attributes:
        reason: One of `REASONS`.
        why: The same as a sentence.
    """

    reason: str
    why: str


UNCHECKED = IndexFault(UNCHECKED_REASON, "It has not been looked at yet.")


@dataclass(eq=False)
class IndexTrust:
    """What is known of one release's collection; changed by whoever looks, read by requests.

    Attributes:
        fault: Why it is not asked; None where it is.
        items: How many it had when they were last counted; None where they never were.
    """

    fault: IndexFault | None = UNCHECKED
    items: int | None = None


@dataclass(frozen=True)
class Allowed:
    """Which items an answer may hold.

    Attributes:
        mask: bool [n_target]; None where all may be.
        excluded: Item ids of the release that are left out besides.
    """

    mask: np.ndarray | None = None
    excluded: Sequence[str] = field(default=())


def collection_fault(
    release: LoadedRelease, index: IndexClient, trust: IndexTrust, seconds: float, *, trusted: bool
) -> IndexFault | None:
    """What is wrong with a release's collection: its count, or its answers to a few known queries.

    Args:
        release: Whose collection it is.
        index: Where it is searched.
        trust: Where its count is noted.
        seconds: Longest wait for each call.
        trusted: Whether it is in use: then requests hold its answers against the release, and only
            its count is looked at.
    """
    manifest = release.manifest
    wanted = manifest.counts[TARGET_ITEMS]
    try:
        trust.items = found = index.count(manifest.collection, deadline=seconds)
        if found != wanted:
            return IndexFault(
                INCOMPLETE, f"Collection {manifest.collection} has {found} items, not {wanted}."
            )
        # Items ask for themselves: they are at hand, and nearest to themselves.
        witnesses = np.linspace(0, wanted - 1, 0 if trusted else _WITNESSES)
        for at in np.unique(witnesses.astype(np.int64)):
            query = release.item_vectors[at : at + 1]
            ids, scores = index.search(
                manifest.collection, query, TOP, filter=EVERY_ITEM, deadline=seconds
            )
            fault = answer_fault(release, query, TOP, Allowed(), ids, scores)
            if fault is not None:
                return as_fault(fault, release)
    except VectorIndexError as error:
        return IndexFault(ERROR, str(error))
    return None


def as_fault(reason: str, release: LoadedRelease) -> IndexFault:
    """What an answer was found to be, said of the collection that gave it."""
    collection = release.manifest.collection
    return IndexFault(reason, f"Collection {collection} does not answer as it was published.")


def answer_fault(
    release: LoadedRelease,
    query: np.ndarray,
    k: int,
    allowed: Allowed,
    ids: Sequence[str],
    scores: np.ndarray,
) -> str | None:
    """Why an answer cannot be the collection's of this release; None where it can.

    Args:
        release: Who asked.
        query: float32 [1, d].
        k: Items asked for.
        allowed: Which may come.
        ids: What came.
        scores: float32, their scores.
    """
    rows = release.index_of(ids) - release.target.start
    inside = (rows >= 0) & (rows < len(release.item_vectors))
    if not inside.all() or len(set(ids)) != len(ids) or len(ids) > k:
        return FOREIGN
    if allowed.mask is not None and not allowed.mask[rows].all():
        return FOREIGN
    if not set(ids).isdisjoint(allowed.excluded):
        return FOREIGN
    own = release.item_vectors[rows] @ query[0]
    if not np.allclose(own, scores, rtol=0, atol=_SCORE_TOLERANCE):
        return FOREIGN
    if len(ids) < k and len(ids) < _most(release, allowed):
        return SHORT
    return None


def _most(release: LoadedRelease, allowed: Allowed) -> int:
    """How many items may be answered at all."""
    gone = release.index_of(list(set(allowed.excluded))) - release.target.start
    gone = gone[(gone >= 0) & (gone < len(release.item_vectors))]
    if allowed.mask is None:
        return len(release.item_vectors) - len(gone)
    return int(allowed.mask.sum()) - int(allowed.mask[gone].sum())
