"""Everything one worker holds: the live release, clients of its neighbours, the fallback chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from colisten.features.users import UserBatch
from colisten.index.resolve import resolve_index
from colisten.logs import logger
from colisten.release.feature_files import check_features
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.serving import metrics, quality, stages
from colisten.serving.active_release import ActiveRelease, ReleaseWatcher
from colisten.serving.ages import Ages
from colisten.serving.answers import (
    Accepted,
    AcceptedBatch,
    Health,
    PartInfo,
    ReleaseInfo,
    SearchSource,
    Shelf,
    ShelfEntry,
    Shelves,
    Similar,
    Vector,
)
from colisten.serving.arms import Arms, ShownArm
from colisten.serving.beside import copies, exposure_log, part_names, store_follower
from colisten.serving.circuit_breaker import CallFailed, CircuitBreaker
from colisten.serving.discretion import withhold
from colisten.serving.environment import Environment
from colisten.serving.event_intake import EventIntake
from colisten.serving.explanation import Phrases
from colisten.serving.followed import Followed, LivePointer
from colisten.serving.index_client import IndexClient
from colisten.serving.inspection import Inspector
from colisten.serving.pace import Unhurried
from colisten.serving.parts import (
    FEATURES,
    FILES,
    INDEX,
    RELEASE,
    Parts,
)
from colisten.serving.popular_floor import PopularFloor
from colisten.serving.problems import Fault, Problem, Refused
from colisten.serving.recommender import Recommender
from colisten.serving.release_order import ReleaseOrder
from colisten.serving.request_state import RequestState, begun
from colisten.serving.requests import (
    EventRequest,
    EventsRequest,
    RecommendBatch,
    RecommendRequest,
    SimilarRequest,
    VectorRequest,
)
from colisten.serving.similar import similar
from colisten.serving.tower_opening import tower_place

E = TypeVar("E", bound=Exception | Problem)
_PUSH_SECONDS = 2.0
# Parts without which answers are popular ones.
_FOR_ANSWERS = (FILES, FEATURES, INDEX)
_log = logger("serving.runtime")


class Runtime:
    """Answers requests; every answer comes from one release, its arm's or the live one.

    Args:
        environment: Folder and settings.

    Attributes:
        ends: Whether the worker was told to end.
    """

    def __init__(self, environment: Environment) -> None:
        serving = environment.settings.serving
        self._parts = Parts(part_names(environment))
        self._store_follower = store_follower(environment, self._parts)
        if self._store_follower is not None:
            self._store_follower.look(wait=True)  # what is live says which index is searched
        store = ReleaseStore(environment.home, public_key=environment.settings.release.public_key)
        index = resolve_index(environment.settings.index, store.index_settings())
        self._debug_vectors = serving.debug_vectors
        self._index_source: SearchSource = index.backend
        self._index = IndexClient(environment.home, index)
        rest: dict[str, Any] = {
            "failures": serving.rest_after,
            "rest_seconds": serving.rest_seconds,
        }
        self._breakers = (
            CircuitBreaker("features", serving.features_budget_ms / 1000, **rest),
            CircuitBreaker("index", serving.search_budget_ms / 1000, **rest),
            CircuitBreaker("push", _PUSH_SECONDS, **rest),
        )
        self._recommender = Recommender(
            self._index,
            self._breakers[0],
            self._breakers[1],
            search_seconds=serving.search_budget_ms / 1000,
            index_source=self._index_source,
            phrases=Phrases(serving.reasons, serving.heard),
        )
        self._store = store
        self._environment = environment
        self._copies = copies()
        self._towers = tower_place(environment, self._parts)
        self._needs = (RELEASE, *serving.ready_needs)
        self._was_ready = False
        self._floor = PopularFloor(serving.ready_popular_share, serving.ready_popular_seconds)
        self._watcher = self._watch(LivePointer(store))
        self._arms = Arms(environment.settings.experiment, self._watch)
        self._log = exposure_log(environment, self._parts)
        self._intake = EventIntake(self._breakers[2], self._log, self._arms.held)
        self._order = ReleaseOrder(store.releases)
        self.ends: Callable[[], bool] = lambda: False
        self._inspector = Inspector(
            lambda: self._watcher.current,
            self._arms.held,
            self._parts,
            None if self._index_source == "exact" else self._index,
            Ages(environment.home),
            seconds=serving.inspect_seconds,
        )

    @classmethod
    def open(cls, environment: Environment) -> Runtime:
        """Load what is live and start following; without a live release it is not ready yet."""
        runtime = cls(environment)
        if runtime._store_follower is not None:
            runtime._store_follower.start()
        runtime._watcher.start()
        runtime._arms.start()
        if runtime._log is not None:
            runtime._log.start()
        runtime._inspector.start()
        return runtime

    @property
    def live(self) -> LoadedRelease | None:
        """The release in use; None until one is loaded."""
        current = self._watcher.current
        return None if current is None else current.release

    @property
    def ready(self) -> bool:
        """Whether a release is loaded and all that answers stand on has answered once.

        Later loss costs quality and is named, and is no reason to send nobody here; unless
        `serving.ready_popular_share` says so.
        """
        if self.live is None or self.ends():
            return False
        needed = (self._parts[name] for name in self._needs)
        # Another release than the live one is served because that one is damaged: it is useful.
        self._was_ready |= all(one.ok or one.reason == "release_refused" for one in needed)
        well = all(state.ok for name, state in self._parts.items() if name in _FOR_ANSWERS)
        return self._was_ready and self._floor.holds(well)

    def close(self) -> None:
        """Stop following and let go of connections."""
        self._inspector.close()
        if self._store_follower is not None:
            self._store_follower.close()
        self._watcher.close()
        self._arms.close()
        self._towers.close()
        self._recommender.close()
        self._intake.close()
        if self._log is not None:
            self._log.close()
        for breaker in self._breakers:
            breaker.close()
        self._index.close()

    def recommend(self, request: RecommendRequest) -> Shelf:
        """A shelf for one user by their arm; see `Recommender`.

        Raises:
            Refused: There is no such arm, the release does not declare what the filter asks, or
                it is older than the request allows.
        """
        (outcome,) = self.recommend_all([(request, stages.current())])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def recommend_all(
        self, asked: Sequence[tuple[RecommendRequest, stages.Several]]
    ) -> list[Shelf | Exception]:
        """Shelves of several users who asked by themselves, or why one has none.

        Args:
            asked: Each request, and who is told how long its stages take.
        """
        begins: list[RequestState | Exception] = []
        for request, times in asked:
            try:
                with stages.taken_of(times):
                    begins.append(begun(self._arm(request), request))
            except Exception as error:
                begins.append(error)
        return self._answered(begins)

    def recommend_batch(self, request: RecommendBatch) -> Shelves:
        """Several shelves, each answered or refused as if it had been asked alone.

        Raises:
            Refused: No release is loaded.
        """
        self._active()
        states = [self._begun(one) for one in request.entries]
        answers = []
        for one in self._answered(states):
            if isinstance(one, Problem):
                answers.append(ShelfEntry(status=one.status, shelf=None, problem=one))
            elif isinstance(one, Exception):
                raise one
            else:
                answers.append(ShelfEntry(status=200, shelf=one, problem=None))
        return Shelves(answers=answers)

    def similar(self, request: SimilarRequest) -> Similar:
        """Items nearest to an item; see `colisten.serving.similar`."""
        return similar(self._active(), request)

    def push(self, request: EventRequest) -> Accepted:
        """Put an event into its user's online history; raises as `EventIntake.take` does."""
        return self._intake.take(self._active(), request)

    def push_all(self, request: EventsRequest) -> Accepted | AcceptedBatch:
        """The same of one event or several; see `EventIntake.take_all`."""
        if isinstance(request.root, EventRequest):
            return self.push(request.root)
        return self._intake.take_all(self._active(), request.root.entries)

    def health(self) -> Health:
        """That the worker is ready, as /readyz says it.

        Raises:
            Refused: It is not (503).
        """
        active = self._active()
        if not self.ready:
            ill = [f"{name}: {one.reason}" for name, one in self._parts.items() if not one.ok]
            detail = f"The worker is not ready ({', '.join(ill) or 'it ends'})."
            raise Refused(503, Fault(code="not_ready", detail=detail))
        return Health(release_id=active.release_id)

    def info(self) -> ReleaseInfo:
        """The release in use."""
        active = self._active()
        target = active.release.target
        return ReleaseInfo(
            release_id=active.release_id,
            loaded_at=active.loaded_at.isoformat(),
            items=len(active.release.item_ids),
            target_items=target.stop - target.start,
            index=self._index_source if self._parts[INDEX].ok else "exact",
            live=self._watcher.meant,
            parts={
                name: PartInfo(
                    ok=state.ok, reason=state.reason, why=state.why, since=state.since.isoformat()
                )
                for name, state in self._parts.items()
            },
            arms=self._arms.info(active),
            log=None if self._log is None else self._log.info(),
        )

    def vector(self, request: VectorRequest) -> Vector:
        """A user's vector, by the very path that recommends.

        Raises:
            Refused: `serving.debug_vectors` is off (404) or the store does not answer (503).
        """
        if not self._debug_vectors:
            detail = "Vectors are shown where serving.debug_vectors is on."
            raise Refused(404, Fault(code="off", detail=detail))
        release, user = self.user(request.user_id)
        return Vector(
            release_id=release.release_id,
            user_id=request.user_id,
            known=bool(user.known[0]),
            vector=release.user_vectors(user)[0].tolist(),
        )

    def user(self, user_id: str) -> tuple[LoadedRelease, UserBatch]:
        """What the live release's store says of a user; a batch of one, by that release's items.

        Raises:
            Refused: No release is loaded, or the store does not answer (503).
        """
        active = self._active()
        try:
            return active.release, self._recommender.read(active, user_id)
        except CallFailed as failed:
            fault = Fault(code="not_ready", detail=f"No features: {failed.reason}.")
            raise Refused(503, fault) from failed

    def released(self) -> LoadedRelease:
        """The release in use.

        Raises:
            Refused: None is loaded (503).
        """
        return self._active().release

    def _arm(self, request: RecommendRequest) -> ShownArm:
        """What a request is answered by; raises Refused as `recommend` does."""
        live = self._active()
        arm = self._arms.shown(self._arms.arm_of(request.user_id, request.arm), live)
        if request.min_release is not None:
            self._order.check(arm.active.release_id, request.min_release, pinned=arm.pinned)
        return arm

    def _begun(self, asked: RecommendRequest | Fault) -> RequestState | Problem:
        """One of several requests, or why it is refused."""
        if isinstance(asked, Fault):
            return Problem.of(400, asked)
        try:
            return begun(self._arm(asked), asked)
        except Refused as error:
            return Problem.of(error.status, error.fault)

    def _answered(self, begins: Sequence[RequestState | E]) -> list[Shelf | E | Exception]:
        """What has begun, with its shelf in its place."""
        states = [one for one in begins if isinstance(one, RequestState)]
        shelves = zip(states, self._recommender.shelves(states), strict=True)
        outcomes: list[Shelf | E | Exception] = []
        for one in begins:
            if not isinstance(one, RequestState):
                outcomes.append(one)
                continue
            state, shelf = next(shelves)
            if isinstance(shelf, Shelf):
                shelf = self._given(shelf, state.arm, state.request)
            outcomes.append(shelf)
        return outcomes

    def _given(self, shelf: Shelf, arm: ShownArm, request: RecommendRequest) -> Shelf:
        """A shelf that is about to be answered: counted, and written down."""
        how = shelf.how
        worth = quality.counted(shelf, planned=arm.popular)
        if not arm.popular:
            self._floor.note(how)
        withhold(shelf, self._environment.settings.serving)
        if request.arm is None and not request.preview:
            metrics.SHELVES.labels(shelf.arm or "", shelf.release_id, how.vector, how.search).inc()
            if self._log is not None:
                self._log.shown(shelf, request.surface, worth)
        return shelf

    def _watch(self, followed: Followed) -> ReleaseWatcher:
        return ReleaseWatcher(
            followed,
            self._load,
            parts=self._parts,
            seconds=self._environment.settings.serving.follow_seconds,
        )

    def _load(self, release_id: str) -> ActiveRelease:
        """A release, ready to answer; without haste where another one answers meanwhile."""
        parts = self._store, release_id, self._environment, self._copies, self._towers
        if self._watcher.current is None:
            active = ActiveRelease.load(*parts, turned=False)
            active.nearest.turn_beside()
        else:
            # Without its features it would answer everybody alike: what answers now is better.
            check_features(self._store.root, self._store.show(release_id))
            # Workers one after the other: meanwhile the others have the cores.
            with nullcontext() if self._copies is None else self._copies.turn():
                active = ActiveRelease.load(*parts, rest=Unhurried())
        self._inspector.judge_index(active)
        return active

    def _active(self) -> ActiveRelease:
        active = self._watcher.current
        if active is None:
            detail = "No release is live; promote one and try again."
            raise Refused(503, Fault(code="not_ready", detail=detail))
        return active
