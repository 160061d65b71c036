"""How a shelf is made: a chain of fallbacks, so that a broken part costs quality, not the answer.

    user    features of the online store, what the request says itself + user tower
              -> popular in the user's country -> popular everywhere
    search  vector index -> exact search in this process -> popular

An arm that shows what is popular begins at the bottom, and leaves no stage for a reason.
Each stage that is left has a reason: it stands in the answer's `how.fallbacks` and is counted.
Nothing here raises for a dependency's sake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import uuid4

import numpy as np

from colisten.features.users import UserBatch
from colisten.index.filter import EVERY_ITEM, Filter
from colisten.index.protocol import check_search
from colisten.logs import logger
from colisten.release.loaded import LoadedRelease
from colisten.release.picks import Pick, popular_picks, reasons, seen_items
from colisten.serving.active_release import ActiveRelease
from colisten.serving.answers import How, SearchSource, Shelf, ShelfItem, VectorSource
from colisten.serving.arms import ShownArm
from colisten.serving.circuit_breaker import CallFailed, CallRefused, CircuitBreaker
from colisten.serving.filters import unknown_values
from colisten.serving.index_client import IndexClient
from colisten.serving.index_truth import FOREIGN, Allowed, answer_fault, as_fault
from colisten.serving.request_state import RequestState, begun
from colisten.serving.requests import RecommendRequest
from colisten.serving.seen_memory import SeenMemory
from colisten.serving.stages import stage

_EXACT = "exact"
_log = logger("serving.recommender")


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
            Refused: The release does not declare what the filter asks, or does not know what the
                request says of the user (400).
        """
        state = begun(arm, request)
        self._know([state], {})
        return self._finished(state)

    def shelves(self, states: Sequence[RequestState]) -> Iterator[Shelf]:
        """The shelves of several requests, each as if it were asked alone.

        Those that one release answers share a read of the feature store and a run of the tower.

        Args:
            states: As `begun` makes them.
        """
        groups: dict[int, list[RequestState]] = {}
        for state in states:
            groups.setdefault(id(state.active), []).append(state)
        for group in groups.values():
            self._know(group, self._read_together(group))
        return map(self._finished, states)

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

    def _had(self, active: ActiveRelease, user_id: str | None) -> list[str]:
        """What a user is known to have started without asking the store."""
        if user_id is None:
            return []
        release = active.release
        lately = release.item_ids[release.of_hashes(self._memory.of(user_id))]
        return [*seen_items(release, user_id, None), *map(str, lately)]

    def _read_together(self, states: Sequence[RequestState]) -> dict[str, UserBatch]:
        """Users by id from one read; none where that fails: then each is read by itself."""
        active = states[0].active
        names = [state.request.user_id for state in states]
        user_ids = list(dict.fromkeys(name for name in names if name is not None))
        if len(user_ids) < 2:
            return {}
        try:
            with stage("features"):
                users = self._features_breaker.call(
                    lambda: active.features.read_all(user_ids), neutral=active.features.probe
                )
        except CallFailed:
            return {}
        read = {user_id: users.take([at]) for at, user_id in enumerate(user_ids)}
        for user_id, user in read.items():
            self._memory.note(user_id, user)
        return read

    def _know(self, states: Sequence[RequestState], read: Mapping[str, UserBatch]) -> None:
        """Fill in users of one release, what they had, and their vectors, as far as is known.

        Args:
            states: Of the requests.
            read: What the store said of some users.
        """
        known = []
        for state in states:
            try:
                state.exclude += self._had(state.active, state.request.user_id)
                with stage("features"):
                    self._learn(state, read)
            except Exception:
                _fell(state)
                continue
            if state.user is not None and state.user.known[0]:
                known.append(state)
            elif not state.fallbacks:
                state.fallbacks.append("user_unknown")
        with stage("encode"):
            _encode(known)

    def _learn(self, state: RequestState, read: Mapping[str, UserBatch]) -> None:
        """Fill in one user and what they had."""
        release, session, user_id = state.active.release, state.session, state.request.user_id
        if user_id is not None and user_id in read:
            told = read[user_id]
            stored = told if told.known[0] else None
        else:
            stored = self._stored(state)
        state.user = stored
        if stored is not None:
            state.exclude += seen_items(release, None, stored)
        if session is not None:
            length = state.active.features.history_length
            state.user = session.over(stored, user_id, release, length=length)
            state.exclude += seen_items(release, None, state.user)

    def _stored(self, state: RequestState) -> UserBatch | None:
        """What the online store knows of the user; None where it knows nothing."""
        user_id = state.request.user_id
        if user_id is None:
            return None
        try:
            user = self.read(state.active, user_id)
        except CallRefused as refused:
            _log.warning("user_unreadable", error=str(refused.error)[:500])
            state.fallbacks.append("user_unreadable")
            return None
        except CallFailed as failed:
            state.fallbacks.append(failed.reason)
            return None
        return user if user.known[0] else None

    def _finished(self, state: RequestState) -> Shelf:
        """The answer to a request of which all is known that can be."""
        nearest: tuple[SearchSource, list[ShelfItem]] | None = None
        if not state.arm.popular and not state.fell:
            try:
                nearest = self._near(state)
            except Exception:
                _fell(state)
        return _shelf(state, nearest)

    def _near(self, state: RequestState) -> tuple[SearchSource, list[ShelfItem]] | None:
        """Nearest items of the user's vector and which search gave them; None without either."""
        query, k = state.vector, state.request.k
        if query is None:
            return None
        if state.allowed is not None and not state.allowed.any():
            return _EXACT, []
        if self._index_source != _EXACT:
            with stage("search"):
                indexed = self._indexed(state, query, k)
            if indexed is not None:
                return self._index_source, self._explained(state, *indexed)
        try:
            with stage("search"):
                found = state.active.nearest.of(
                    query, k, allowed=state.allowed, left_out=state.exclude
                )
        except Exception as error:
            _log.error("exact_search_failed", error=f"{type(error).__name__}: {error}"[:500])
            state.fallbacks.append("exact_error")
            return None
        return _EXACT, self._explained(state, *found)

    def _indexed(
        self, state: RequestState, query: np.ndarray, k: int
    ) -> tuple[list[int], list[float]] | None:
        """What the index answers; None where it does not, or not as this release's would."""
        active, exclude = state.active, state.exclude
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
        self, state: RequestState, items: list[int], scores: list[float]
    ) -> list[ShelfItem]:
        release, user = state.active.release, state.user
        with stage("why"):
            whys: Sequence[str | None] = [None] * len(items)
            if user is not None:
                whys = reasons(release, user, items, self._reasons)
        # Where the request says `explain`, what `explanation` of each item holds is found here.
        return shown(release, [Pick(*one) for one in zip(items, scores, whys, strict=True)])


def _encode(states: Sequence[RequestState]) -> None:
    """Fill in the vectors of known users of one release, from one run of the tower."""
    if not states:
        return
    users = [state.user for state in states if state.user is not None]
    release = states[0].active.release
    try:
        vectors = release.user_vectors(users[0] if len(users) == 1 else UserBatch.joined(users))
        for at, state in enumerate(states):
            # One user's numbers that no index takes are no failure of the index.
            check_search(vectors[at : at + 1], 1, None)
            state.vector = vectors[at : at + 1]
    except Exception as error:
        if len(states) > 1:
            for state in states:
                _encode([state])
            return
        _log.error("tower_failed", error=f"{type(error).__name__}: {error}"[:500])
        states[0].fallbacks.append("tower_error")


def _fell(state: RequestState) -> None:
    """Not a dependency's failure but a fault of ours: the user still gets a shelf."""
    _log.exception("recommender_failed", release_id=state.active.release_id)
    state.fallbacks.append("internal_error")
    state.fell = True


def _shelf(state: RequestState, nearest: tuple[SearchSource, list[ShelfItem]] | None) -> Shelf:
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
            score=pick.score,
            why=pick.why,
        )
        for rank, pick in enumerate(picks, start=1)
    ]
