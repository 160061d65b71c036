"""How a shelf is made: a chain of fallbacks, so that a broken part costs quality, not the answer.

    user    features of the online store, what the request says itself + user tower
              -> popular in the user's country -> popular everywhere
    search  vector index -> exact search in this process -> popular

An arm that shows what is popular begins at the bottom, and leaves no stage for a reason.
Each stage that is left has a reason: it stands in the answer's `how.fallbacks` and is counted.
Nothing here raises for a dependency's sake. Requests that come together pass each stage together;
each is answered as if it had come alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from colisten.features.users import UserBatch
from colisten.index.filter import EVERY_ITEM, Filter
from colisten.index.protocol import check_search
from colisten.logs import logger
from colisten.release.explanation import explained
from colisten.release.picks import Pick, reasons, seen_items
from colisten.serving.active_release import ActiveRelease
from colisten.serving.answers import SearchSource, Shelf, ShelfItem
from colisten.serving.circuit_breaker import CallFailed, CallRefused, CircuitBreaker
from colisten.serving.explanation import Phrases, as_answer
from colisten.serving.index_client import IndexClient
from colisten.serving.index_truth import FOREIGN, Allowed, answer_fault, as_fault
from colisten.serving.nearest import Query
from colisten.serving.request_state import Nearest, RequestState
from colisten.serving.seen_memory import SeenMemory
from colisten.serving.shelf import shelf_of, shown
from colisten.serving.stages import stage, taken_of

_EXACT = "exact"
_BESIDE = 16  # searches by the index that are waited for at once
_log = logger("serving.recommender")


class Recommender:
    """Makes shelves from the active release.

    Args:
        index: The vector index.
        features_breaker: Budget and breaker of the online store.
        search_breaker: Budget and breaker of the index.
        search_seconds: How long the index may take.
        index_source: What a search by the index is called in answers.
        phrases: Words of reasons and explanations.
    """

    def __init__(
        self,
        index: IndexClient,
        features_breaker: CircuitBreaker,
        search_breaker: CircuitBreaker,
        *,
        search_seconds: float,
        index_source: SearchSource,
        phrases: Phrases,
    ) -> None:
        self._index = index
        self._features_breaker = features_breaker
        self._search_breaker = search_breaker
        self._search_seconds = search_seconds
        self._index_source = index_source
        self._phrases = phrases
        self._memory = SeenMemory()
        self._beside = ThreadPoolExecutor(_BESIDE, thread_name_prefix="search")

    def close(self) -> None:
        """Let go of the threads; searches in flight end by themselves."""
        self._beside.shutdown(wait=False, cancel_futures=True)

    def shelves(self, states: Sequence[RequestState]) -> list[Shelf | Exception]:
        """The shelf of each request, from the one release of its arm, or a fault of ours.

        Those that one release answers share a read of the feature store, a run of the tower and a
        search.

        Args:
            states: As `begun` makes them.
        """
        groups: dict[int, list[RequestState]] = {}
        for state in states:
            groups.setdefault(id(state.active), []).append(state)
        for group in groups.values():
            with taken_of(tuple(times for state in group for times in state.times)):
                self._know(group, self._read_together(group))
                self._find(group)
        return [self._finished(state) for state in states]

    def read(self, active: ActiveRelease, user_id: str) -> UserBatch:
        """What the online store says of a user; a batch of one.

        Raises:
            CallFailed: It does not answer.
        """
        user = self._features_breaker.call(
            lambda: active.features.read(user_id),
            neutral=active.features.probe,
            bounded=active.features.bounded,
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
                    lambda: active.features.read_all(user_ids),
                    neutral=active.features.probe,
                    bounded=active.features.bounded,
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

    def _find(self, states: Sequence[RequestState]) -> None:
        """Fill in what is nearest to the users of one release whose vectors are known."""
        asking = [
            state
            for state in states
            if state.vector is not None and not state.arm.popular and not state.fell
        ]
        for state in asking:
            if state.allowed is not None and not state.allowed.any():
                state.nearest = Nearest(_EXACT, [], [])
        left = [state for state in asking if state.nearest is None]
        if not left:
            return
        with stage("search"):
            if self._index_source != _EXACT:
                # Each waits for its answer: side by side.
                ask = map if len(left) == 1 else self._beside.map
                for state, found in zip(left, ask(self._asked_index, left), strict=True):
                    state.nearest = found
            _search([state for state in left if state.nearest is None and not state.fell])

    def _asked_index(self, state: RequestState) -> Nearest | None:
        try:
            found = self._indexed(state)
        except Exception:
            _fell(state)
            return None
        return None if found is None else Nearest(self._index_source, *found)

    def _finished(self, state: RequestState) -> Shelf | Exception:
        """The answer to a request of which all is known that can be."""
        nearest: tuple[SearchSource, list[ShelfItem]] | None = None
        with taken_of(state.times):
            try:
                if state.nearest is not None and not state.fell:
                    search, items, scores = state.nearest
                    try:
                        nearest = search, self._explained(state, items, scores)
                    except Exception:
                        _fell(state)
                return shelf_of(state, nearest)
            except Exception as error:
                return error

    def _indexed(self, state: RequestState) -> tuple[list[int], list[float]] | None:
        """What the index answers; None where it does not, or not as this release's would."""
        active, exclude, k = state.active, state.exclude, state.request.k
        query = state.vector
        assert query is not None
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
                whys = reasons(release, user, items, self._phrases.reasons)
        shelf = shown(release, [Pick(*one) for one in zip(items, scores, whys, strict=True)])
        self._add_worth(state, shelf, scores)
        if state.request.explain:
            with stage("explain"):
                self._add_explanations(state, shelf, items)
        return shelf

    def _add_worth(
        self, state: RequestState, shelf: Sequence[ShelfItem], inner: Sequence[float]
    ) -> None:
        """Say how probable a start of each item is, where the release can."""
        if state.user is None or state.vector is None:
            return
        scores = state.active.release.scores(inner, state.user, state.vector[0])
        for item, score in zip(shelf, scores or (), strict=False):
            item.score = score

    def _add_explanations(
        self, state: RequestState, shelf: Sequence[ShelfItem], items: Sequence[int]
    ) -> None:
        release = state.active.release
        if state.user is None or state.vector is None:
            return
        try:
            found = explained(release, state.user, state.vector[0], items)
            for item, at, why in zip(shelf, items, found, strict=True):
                item.explanation = as_answer(release, at, why, self._phrases)
        except Exception:
            # A fault of ours that costs the explanations, and not the shelf.
            _log.exception("explanation_failed", release_id=release.release_id)
            state.fallbacks.append("explanation_error")


def _encode(states: Sequence[RequestState]) -> None:
    """Fill in the vectors of known users of one release, from one run of the tower."""
    if not states:
        return
    users = [state.user for state in states if state.user is not None]
    tower = states[0].active.tower
    try:
        vectors, left = tower.vectors(users[0] if len(users) == 1 else UserBatch.joined(users))
        for at, state in enumerate(states):
            if left is not None:
                state.fallbacks.append(left)
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


def _search(states: Sequence[RequestState]) -> None:
    """Fill in what exact search finds for users of one release, from one reading of its vectors."""
    if not states:
        return
    queries = [
        Query(state.vector[0], state.request.k, state.allowed, state.exclude)
        for state in states
        if state.vector is not None
    ]
    try:
        for state, found in zip(states, states[0].active.nearest.of_all(queries), strict=True):
            state.nearest = Nearest(_EXACT, *found)
    except Exception as error:
        if len(states) > 1:
            for state in states:
                _search([state])
            return
        _log.error("exact_search_failed", error=f"{type(error).__name__}: {error}"[:500])
        states[0].fallbacks.append("exact_error")


def _fell(state: RequestState) -> None:
    """Not a dependency's failure but a fault of ours: the user still gets a shelf."""
    _log.exception("recommender_failed", release_id=state.active.release_id)
    state.fallbacks.append("internal_error")
    state.fell = True
