"""Items of the recommended type nearest to any item, by exact search in this process."""

from __future__ import annotations

from colisten.release.picks import popular_picks, similar_picks
from colisten.serving.active_release import ActiveRelease
from colisten.serving.answers import How, Similar
from colisten.serving.filters import asked_filter, offered, unknown_values
from colisten.serving.problems import Fault, FieldError, Refused
from colisten.serving.requests import SimilarRequest
from colisten.serving.shelf import shown

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
        raise Refused(404, Fault(code="unknown_item", detail=message, fields=[field]))
    fallbacks: list[str] = []
    asked = asked_filter(request.language, request.filter, release)
    allowed = offered(release, asked, fallbacks)
    how = How(vector="item", search="exact", fallbacks=fallbacks)
    picks = similar_picks(release, at, request.k, allowed=allowed)
    if picks is None:
        fallbacks.append("item_without_vector")
        how = How(vector="popular", search="popular", fallbacks=fallbacks)
        picks = popular_picks(release, request.k, allowed=allowed, left_out=(at,))
    how.unknown = unknown_values(request.language, request.filter, release, asked)
    items = shown(release, picks)
    if not items and (allowed is None or allowed.any()):
        how.fallbacks.append("nothing_left")
    return Similar(release_id=active.release_id, item_id=request.item_id, how=how, items=items)
