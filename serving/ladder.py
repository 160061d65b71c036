"""How a shelf is made, rung by rung, so that a broken part costs quality and never the answer.

    user    features of the online store + user tower
              -> popular in the user's country -> popular everywhere
    search  vector index -> exact search in this process -> popular

Each rung that is left has a reason: it stands in the answer's `how.fallbacks` and is counted.
Nothing here raises for a dependency's sake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from colisten.features.users import UserBatch
from colisten.index.protocol import check_search
from colisten.logs import logger
from colisten.sections import SIGNALS
from serving.guard import CallRefused, Guard, GuardTripped
from serving.index_door import IndexDoor
from serving.live import Bundle
from serving.messages import How, RecommendRequest, SearchRung, Shelf, ShelfItem, VectorRung

_STREAM = SIGNALS.index("stream")
_VERBS = {
    "stream": "you listened to",
    "follow": "you follow",
    "preview": "you previewed",
    "intent_to_pay": "you were about to buy",
}
_log = logger("serving.ladder")


@dataclass
class Climb:
    """What is known so far of one request, and why rungs were left."""

    fallbacks: list[str] = field(default_factory=list)
    user: UserBatch | None = None
    vector: np.ndarray | None = None


class Ladder:
    """Makes shelves from a bundle.

    Args:
        index: The vector index.
        features_guard: Budget and breaker of the online store.
        search_guard: Budget and breaker of the index.
        search_seconds: What the index is told to give up after.
        index_rung: What a search by the index is called in answers.
    """

    def __init__(
        self,
        index: IndexDoor,
        features_guard: Guard,
        search_guard: Guard,
        *,
        search_seconds: float,
        index_rung: SearchRung,
    ) -> None:
        self._index = index
        self._features_guard = features_guard
        self._search_guard = search_guard
        self._search_seconds = search_seconds
        self._index_rung = index_rung

    def shelf(self, bundle: Bundle, request: RecommendRequest) -> Shelf:
        """The shelf of one user, from one release."""
        climb = Climb()
        if request.language is not None and not bundle.release.speaks(request.language):
            climb.fallbacks.append("language_not_offered")
        exclude = _recommendable(bundle, request.exclude)
        found: tuple[SearchRung, list[ShelfItem]] | None = None
        try:
            self._know(bundle, request.user_id, climb)
            exclude += _had(bundle, climb.user)
            found = self._near(bundle, climb, request.k, request.language, exclude)
        except Exception:
            # Not a dependency's failure but a fault of ours: the user still gets a shelf.
            _log.exception("ladder_failed", release_id=bundle.release_id)
            climb.fallbacks.append("internal_error")
        if found is not None:
            search, items = found
            how = How(vector="two_tower", search=search, fallbacks=climb.fallbacks)
        else:
            vector, items = _popular(bundle, climb, request, exclude)
            how = How(vector=vector, search="popular", fallbacks=climb.fallbacks)
        return Shelf(release_id=bundle.release_id, user_id=request.user_id, how=how, items=items)

    def read(self, bundle: Bundle, user_id: str) -> UserBatch:
        """What the online store says of a user; a batch of one.

        Raises:
            GuardTripped: It does not answer.
        """
        return self._features_guard.call(lambda: bundle.features.read(user_id))

    def _know(self, bundle: Bundle, user_id: str, climb: Climb) -> None:
        """Fill in the user and their vector, as far as they can be had."""
        try:
            user = self.read(bundle, user_id)
        except CallRefused as refused:
            _log.warning("user_unreadable", error=str(refused.error)[:500])
            climb.fallbacks.append("user_unreadable")
            return
        except GuardTripped as tripped:
            climb.fallbacks.append(tripped.reason)
            return
        if not user.known[0]:
            climb.fallbacks.append("user_unknown")
            return
        climb.user = user
        try:
            vector = bundle.release.user_vectors(user)
            # One user's numbers that no index takes are no failure of the index.
            check_search(vector, 1, None, (), None)
            climb.vector = vector
        except Exception as error:
            _log.error("tower_failed", error=f"{type(error).__name__}: {error}"[:500])
            climb.fallbacks.append("tower_error")

    def _near(
        self,
        bundle: Bundle,
        climb: Climb,
        k: int,
        language: str | None,
        exclude: Sequence[str],
    ) -> tuple[SearchRung, list[ShelfItem]] | None:
        """Nearest items of the user's vector and where they were found; None without either."""
        query = climb.vector
        if query is None:
            return None
        if language is not None and not bundle.release.speaks(language):
            return "exact", []
        try:
            ids, scores = self._search_guard.call(
                lambda: self._index.search(
                    bundle.release.manifest.collection,
                    query,
                    k,
                    language=language,
                    exclude=exclude,
                    deadline=self._search_seconds,
                )
            )
            if _all_of(bundle, ids):
                return self._index_rung, _explained(bundle, climb, ids, scores)
            # The collection is not the one that was published with this release.
            climb.fallbacks.append("index_foreign")
        except GuardTripped as tripped:
            climb.fallbacks.append(tripped.reason)
        try:
            all_ids, all_scores = bundle.release.exact(query, k, language=language, exclude=exclude)
        except Exception as error:
            _log.error("exact_search_failed", error=f"{type(error).__name__}: {error}"[:500])
            climb.fallbacks.append("exact_error")
            return None
        return "exact", _explained(bundle, climb, all_ids[0], all_scores[0])


def _recommendable(bundle: Bundle, ids: Sequence[str]) -> list[str]:
    """Those of a client's ids that could come back at all: the index is asked of no others."""
    target = bundle.release.target
    at = bundle.release.index_of(ids)
    inside = (at >= target.start) & (at < target.stop)
    return [item for item, kept in zip(ids, inside.tolist(), strict=True) if kept]


def _had(bundle: Bundle, user: UserBatch | None) -> list[str]:
    """Ids of the target items that the user's known history has streamed."""
    history = None if user is None else user.histories.get(bundle.release.manifest.target_type)
    if history is None:
        return []
    streamed = np.unique(history.items[history.signals == _STREAM])
    return [str(item) for item in bundle.release.item_ids[streamed]]


def _all_of(bundle: Bundle, ids: list[str]) -> bool:
    """Whether all ids are recommendable items of the release."""
    at = bundle.release.index_of(ids)
    target = bundle.release.target
    return bool(((at >= target.start) & (at < target.stop)).all())


def _explained(bundle: Bundle, climb: Climb, ids: list[str], scores: np.ndarray) -> list[ShelfItem]:
    items = []
    for rank, (at, score) in enumerate(
        zip(bundle.release.index_of(ids).tolist(), scores.tolist(), strict=True), start=1
    ):
        why = None if climb.user is None else _because(bundle, climb.user, at)
        items.append(_item(bundle, at, rank, score, why))
    return items


def _because(bundle: Bundle, user: UserBatch, item: int) -> str | None:
    """The history's nearest item with a title, in words."""
    reason = bundle.release.because(item, user)
    title = None if reason is None else bundle.release.titles[reason.item]
    if reason is None or title is None:
        return None
    return f"because {_VERBS[reason.signal]} {title}"


def _popular(
    bundle: Bundle, climb: Climb, request: RecommendRequest, exclude: Sequence[str]
) -> tuple[VectorRung, list[ShelfItem]]:
    """The most popular items that may be shown, the user's country first."""
    country = request.country
    if climb.user is not None and climb.user.countries[0] is not None:
        country = str(climb.user.countries[0])
    lists = bundle.release.popular_lists
    local = None if country is None else lists.countries.get(country)
    gone = set(bundle.release.index_of(exclude).tolist())
    languages = bundle.release.languages
    here = 0 if local is None else len(local)
    items: list[ShelfItem] = []
    for place, at in enumerate(_once(local, lists.everywhere)):
        if len(items) == request.k:
            break
        if at in gone or (request.language is not None and languages[at] != request.language):
            continue
        why = f"popular in {country}" if place < here else "popular"
        items.append(_item(bundle, at, len(items) + 1, None, why))
    return ("popular" if local is None else "popular_country"), items


def _once(first: np.ndarray | None, then: np.ndarray) -> Iterator[int]:
    """Both lists one after the other, each item once."""
    seen: set[int] = set()
    for items in (first, then):
        for item in () if items is None else items:
            if int(item) not in seen:
                seen.add(int(item))
                yield int(item)


def _item(bundle: Bundle, at: int, rank: int, score: float | None, why: str | None) -> ShelfItem:
    release = bundle.release
    return ShelfItem(
        item_id=release.item_ids[at], title=release.titles[at], rank=rank, score=score, why=why
    )
