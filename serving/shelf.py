"""A shelf as it is answered: what was found for a user, or what is popular."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from colisten.release.loaded import LoadedRelease
from colisten.release.picks import Pick, popular_picks
from colisten.serving.answers import How, SearchSource, Shelf, ShelfItem, VectorSource
from colisten.serving.filters import unknown_values
from colisten.serving.request_state import RequestState
from colisten.serving.stages import stage


def shelf_of(state: RequestState, nearest: tuple[SearchSource, list[ShelfItem]] | None) -> Shelf:
    """The answer: what is nearest, or what is popular where that is None."""
    active, request, fallbacks = state.active, state.request, state.fallbacks
    if nearest is not None:
        search, items = nearest
        how = How(vector="two_tower", search=search, fallbacks=fallbacks)
    else:
        with stage("search"):
            vector, items = _popular(state)
        how = How(vector=vector, search="popular", fallbacks=fallbacks)
    how.unknown = unknown_values(request.language, request.filter, active.release, state.asked)
    if state.session is not None:
        how.unknown += state.session.unknown
    if not items and (state.allowed is None or state.allowed.any()):
        how.fallbacks.append("nothing_left")
    return Shelf(
        request_id=str(uuid4()),
        arm=state.arm.name,
        release_id=active.release_id,
        user_id=request.user_id,
        how=how,
        items=items,
    )


def _popular(state: RequestState) -> tuple[VectorSource, list[ShelfItem]]:
    """The most popular items that may be shown, the user's country first."""
    release, request = state.active.release, state.request
    country = request.country
    if state.user is not None and state.user.countries[0] is not None:
        country = str(state.user.countries[0])
    picks = popular_picks(
        release,
        request.k,
        country=country,
        allowed=state.allowed,
        left_out=set(release.index_of(state.exclude).tolist()),
    )
    local = country is not None and country in release.popular_lists.countries
    return ("popular_country" if local else "popular"), shown(release, picks)


def shown(release: LoadedRelease, picks: Sequence[Pick]) -> list[ShelfItem]:
    """Picks as they stand on a shelf."""
    return [
        ShelfItem(
            item_id=release.item_ids[pick.item],
            title=release.titles[pick.item],
            rank=rank,
            score=None,
            inner_product=pick.score,
            why=pick.why,
        )
        for rank, pick in enumerate(picks, start=1)
    ]
