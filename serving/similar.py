"""Items of the recommended type nearest to any item.

An item of another type has no tower vector, so items are compared where all of them have one:
by cosine of the history vectors (text and graph side by side), the same space in which "because
you listened to" is decided. Search is exact and in this process.
"""

from __future__ import annotations

import numpy as np

from colisten.serving.active_release import ActiveRelease
from colisten.serving.filters import asked_filter, offered
from colisten.serving.schemas import (
    ErrorResponse,
    FieldError,
    How,
    Refused,
    ShelfItem,
    Similar,
    SimilarRequest,
)

_SHOWN_CHARS = 80


def similar(active: ActiveRelease, request: SimilarRequest) -> Similar:
    """The nearest items, from one release.

    An item without text and without listeners has no vector; popular items answer then.

    Raises:
        Refused: The release has no such item (404).
    """
    release = active.release
    at = int(release.index_of([request.item_id])[0])
    if at < 0:
        short = request.item_id[:_SHOWN_CHARS]
        message = f"Release {active.release_id} has no item '{short}'."
        field = FieldError(field="item_id", message=message)
        raise Refused(404, ErrorResponse(error="unknown_item", message=message, fields=[field]))
    target = release.target
    fallbacks: list[str] = []
    allowed = np.ones(target.stop - target.start, dtype=bool)
    mask = offered(release, asked_filter(request.language, request.filter, release), fallbacks)
    if mask is not None:
        allowed &= mask
    if target.start <= at < target.stop:
        allowed[at - target.start] = False
    own = np.asarray(release.history_vectors[at], dtype=np.float32)
    length = float(np.linalg.norm(own))
    if length > 0:
        how = How(vector="item", search="exact", fallbacks=fallbacks)
        places, scores = _nearest(active, own / np.float32(length), allowed, request.k)
    else:
        fallbacks.append("item_without_vector")
        how = How(vector="popular", search="popular", fallbacks=fallbacks)
        popular = release.popular_lists.everywhere - target.start
        places, scores = popular[allowed[popular]][: request.k], None
    title = release.titles[at]
    items = []
    for rank, place in enumerate(places.tolist()):
        index = place + target.start
        score = None if scores is None else float(scores[rank])
        why = f"similar to {title}" if scores is not None and title is not None else None
        if scores is None:
            why = "popular"
        items.append(
            ShelfItem(
                item_id=release.item_ids[index],
                title=release.titles[index],
                rank=rank + 1,
                score=score,
                why=why,
            )
        )
    return Similar(release_id=active.release_id, item_id=request.item_id, how=how, items=items)


def _nearest(
    active: ActiveRelease, query: np.ndarray, allowed: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Places in the target slice and cosines of the k nearest, nearest first, ties by place.

    Items without a vector are left out: nothing is known of their nearness.
    """
    release = active.release
    cosines = (release.history_vectors[release.target] @ query) * active.target_scale
    places = np.flatnonzero(allowed & (active.target_scale > 0))
    near = cosines[places]
    if len(places) > k:
        floor = np.partition(near, len(near) - k)[len(near) - k]
        places, near = places[near >= floor], near[near >= floor]
    order = np.lexsort((places, -near))[:k]
    return places[order], near[order]
