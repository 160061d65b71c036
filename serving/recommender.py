"""How a shelf is made: a chain of fallbacks, so that a broken part costs quality, not the answer.

    user    features of the online store + user tower
              -> popular in the user's country -> popular everywhere
    search  vector index -> exact search in this process -> popular

An arm that shows what is popular begins at the bottom, and leaves no stage for a reason.
Each stage that is left has a reason: it stands in the answer's `how.fallbacks` and is counted.
Nothing here raises for a dependency's sake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np

from colisten.features.users import UserBatch
from colisten.index.filter import EVERY_ITEM, Filter
from colisten.index.protocol import check_search
from colisten.logs import logger
from colisten.release.loaded import LoadedRelease
from colisten.release.picks import Pick, popular_picks, reasons, seen_items
from colisten.serving.active_release import ActiveRelease
from colisten.serving.arms import ShownArm
from colisten.serving.circuit_breaker import CallFailed, CallRefused, CircuitBreaker
from colisten.serving.filters import asked_filter, offered, unknown_values
from colisten.serving.index_client import IndexClient
from colisten.serving.index_truth import FOREIGN, Allowed, answer_fault, as_fault
from colisten.serving.schemas import (
    How,
    RecommendRequest,
    SearchSource,
    Shelf,
    ShelfItem,
    VectorSource,
)
from colisten.serving.seen_memory import SeenMemory

_EXACT = "exact"
_log = logger("serving.recommender")


@dataclass
class RequestState:
    """What is known so far of one request, and why stages were left."""

    asked: Filter
    fallbacks: list[str] = field(default_factory=list)
    allowed: np.ndarray | None = None
    user: UserBatch | None = None
    vector: np.ndarray | None = None


class Recommender:
    """Makes shelves from the active release.

    Args:
        index: The vector index.
        features_breaker: Budget and breaker of the online store.
        search_breaker: Budget and breaker of the index.
        search_seconds: How long the index may take.
        index_source: What a search by the index is called in answers.
        reasons: By signal how a reason goes on after "because".
    """

    def __init__(
        self,
        index: IndexClient,
        features_breaker: CircuitBreaker,
        search_breaker: CircuitBreaker,
        *,
        search_seconds: float,
        index_source: SearchSource,
        reasons: Mapping[str, str],
    ) -> None:
        self._index = index
        self._features_breaker = features_breaker
        self._search_breaker = search_breaker
        self._search_seconds = search_seconds
        self._index_source = index_source
        self._reasons = reasons
        self._memory = SeenMemory()

    def shelf(self, arm: ShownArm, request: RecommendRequest) -> Shelf:
        """The shelf of one user, from the one release of an arm.

        Raises:
            Refused: The release does not declare what the filter asks (400).
        """
        active = arm.active
        state = RequestState(asked_filter(request.language, request.filter, active.release))
        if arm.lost:
            state.fallbacks.append("arm_release_missing")
        state.allowed = offered(active.release, state.asked, state.fallbacks)
        exclude = _recommendable(active, request.exclude)
        nearest: tuple[SearchSource, list[ShelfItem]] | None = None
        try:
            exclude += self._had(active, request.user_id)
            self._know(active, request.user_id, state)
            exclude += seen_items(active.release, None, state.user)
            if not arm.popular:
                nearest = self._near(active, state, request.k, exclude)
        except Exception:
            # Not a dependency's failure but a fault of ours: the user still gets a shelf.
            _log.exception("recommender_failed", release_id=active.release_id)
            state.fallbacks.append("internal_error")
        if nearest is not None:
            search, items = nearest
            how = How(vector="two_tower", search=search, fallbacks=state.fallbacks)
        else:
            vector, items = _popular(active, state, request, exclude)
            how = How(vector=vector, search="popular", fallbacks=state.fallbacks)
        how.unknown = unknown_values(request.language, request.filter, active.release, state.asked)
        if not items and (state.allowed is None or state.allowed.any()):
            how.fallbacks.append("nothing_left")
        return Shelf(
            request_id=str(uuid4()),
            arm=arm.name,
            release_id=active.release_id,
            user_id=request.user_id,
            how=how,
            items=items,
        )

    def read(self, active: ActiveRelease, user_id: str) -> UserBatch:
        """What the online store says of a user; a batch of one.

        Raises:
            CallFailed: It does not answer.
        """
        user = self._features_breaker.call(
            lambda: active.features.read(user_id),
            neutral=active.features.probe,
        )
        self._memory.note(user_id, user)
        return user

    def _had(self, active: ActiveRelease, user_id: str) -> list[str]:
        """What a user is known to have started without asking the store."""
        release = active.release
        lately = release.item_ids[release.of_hashes(self._memory.of(user_id))]
        return [*seen_items(release, user_id, None), *map(str, lately)]

    def _know(self, active: ActiveRelease, user_id: str, state: RequestState) -> None:
        """Fill in the user and their vector, as far as they are known."""
        try:
            user = self.read(active, user_id)
        except CallRefused as refused:
            _log.warning("user_unreadable", error=str(refused.error)[:500])
            state.fallbacks.append("user_unreadable")
            return
        except CallFailed as failed:
            state.fallbacks.append(failed.reason)
            return
        if not user.known[0]:
            state.fallbacks.append("user_unknown")
            return
        state.user = user
        try:
            vector = active.release.user_vectors(user)
            # One user's numbers that no index takes are no failure of the index.
            check_search(vector, 1, None)
            state.vector = vector
        except Exception as error:
            _log.error("tower_failed", error=f"{type(error).__name__}: {error}"[:500])
            state.fallbacks.append("tower_error")

    def _near(
        self,
        active: ActiveRelease,
        state: RequestState,
        k: int,
        exclude: Sequence[str],
    ) -> tuple[SearchSource, list[ShelfItem]] | None:
        """Nearest items of the user's vector and which search gave them; None without either."""
        query = state.vector
        if query is None:
            return None
        if state.allowed is not None and not state.allowed.any():
            return _EXACT, []
        if self._index_source != _EXACT:
            found = self._indexed(active, state, query, k, exclude)
            if found is not None:
                return self._index_source, self._explained(active, state, *found)
        try:
            places, scores = active.nearest.of(query, k, allowed=state.allowed, left_out=exclude)
        except Exception as error:
            _log.error("exact_search_failed", error=f"{type(error).__name__}: {error}"[:500])
            state.fallbacks.append("exact_error")
            return None
        return _EXACT, self._explained(active, state, places, scores)

    def _indexed(
        self,
        active: ActiveRelease,
        state: RequestState,
        query: np.ndarray,
        k: int,
        exclude: Sequence[str],
    ) -> tuple[list[int], list[float]] | None:
        """What the index answers; None where it does not, or not as this release's would."""
        release, distrusted = active.release, active.index.fault
        if distrusted is not None:
            state.fallbacks.append(distrusted.reason)
            return None

        def search(vector: np.ndarray, k: int, asked: Filter) -> tuple[list[str], np.ndarray]:
            return self._index.search(
                release.manifest.collection,
                vector,
                k,
                filter=asked,
                deadline=self._search_seconds,
            )

        # The index is asked of ids and keywords of the release alone.
        asked = release.columns.known(state.asked).excluding(exclude)
        try:
            ids, scores = self._search_breaker.call(
                lambda: search(query, k, asked),
                neutral=lambda: search(release.item_vectors[:1], 1, EVERY_ITEM),
            )
        except CallFailed as failed:
            state.fallbacks.append(failed.reason)
            return None
        fault = answer_fault(release, query, k, Allowed(state.allowed, exclude), ids, scores)
        if fault is not None:
            state.fallbacks.append(fault)
            if fault == FOREIGN:
                # It is not asked again before it has been looked at; a graph may well come short.
                active.index.fault = as_fault(fault, release)
            return None
        return release.index_of(ids).tolist(), scores.tolist()

    def _explained(
        self, active: ActiveRelease, state: RequestState, items: list[int], scores: list[float]
    ) -> list[ShelfItem]:
        release, user = active.release, state.user
        whys = [None] * len(items) if user is None else reasons(release, user, items, self._reasons)
        return shown(release, [Pick(*one) for one in zip(items, scores, whys, strict=True)])


def _recommendable(active: ActiveRelease, ids: Sequence[str]) -> list[str]:
    """Those of a client's ids that could come back at all: the index is asked of no others."""
    target = active.release.target
    at = active.release.index_of(ids)
    inside = (at >= target.start) & (at < target.stop)
    return [item for item, within in zip(ids, inside.tolist(), strict=True) if within]


def _popular(
    active: ActiveRelease, state: RequestState, request: RecommendRequest, exclude: Sequence[str]
) -> tuple[VectorSource, list[ShelfItem]]:
    """The most popular items that may be shown, the user's country first."""
    release, country = active.release, request.country
    if state.user is not None and state.user.countries[0] is not None:
        country = str(state.user.countries[0])
    picks = popular_picks(
        release,
        request.k,
        country=country,
        allowed=state.allowed,
        left_out=set(release.index_of(exclude).tolist()),
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
            score=pick.score,
            why=pick.why,
        )
        for rank, pick in enumerate(picks, start=1)
    ]
