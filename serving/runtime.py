"""Everything one worker holds: the live release, the doors to its neighbours, the ladder."""

from __future__ import annotations

from typing import Any

from colisten.errors import EventRefused
from colisten.features.events import Event
from colisten.index.resolve import resolve_index
from colisten.release.recording import record_event
from colisten.release.store import ReleaseStore
from serving import metrics
from serving.environment import Environment
from serving.guard import CallRefused, Guard, GuardTripped
from serving.index_door import IndexDoor
from serving.ladder import Ladder
from serving.live import Bundle, Live
from serving.messages import (
    Accepted,
    EventRequest,
    Fault,
    FieldFault,
    RecommendRequest,
    Refused,
    ReleaseInfo,
    SearchRung,
    Shelf,
    Similar,
    SimilarRequest,
    Vector,
    VectorRequest,
)
from serving.similar import similar

_PUSH_SECONDS = 2.0


class Runtime:
    """Answers requests; every answer comes from the one release that was live as it began.

    Args:
        environment: Folder and settings.
    """

    def __init__(self, environment: Environment) -> None:
        serving = environment.settings.serving
        store = ReleaseStore(environment.home)
        index = resolve_index(environment.settings.index, store.index_settings())
        self._debug_vectors = serving.debug_vectors
        self._index_rung: SearchRung = "exact" if index.backend == "exact" else "milvus"
        self._index = IndexDoor(environment.home, index)
        rest: dict[str, Any] = {
            "failures": serving.rest_after,
            "rest_seconds": serving.rest_seconds,
        }
        self._guards = (
            Guard("features", serving.features_budget_ms / 1000, **rest),
            Guard("index", serving.search_budget_ms / 1000, **rest),
            Guard("push", _PUSH_SECONDS, **rest),
        )
        self._ladder = Ladder(
            self._index,
            self._guards[0],
            self._guards[1],
            search_seconds=serving.search_budget_ms / 1000,
            index_rung=self._index_rung,
        )
        self._store = store
        self._environment = environment
        self._live = Live(store, self._load, seconds=serving.follow_seconds)

    @classmethod
    def open(cls, environment: Environment) -> Runtime:
        """Load what is live and start following; without a live release it is not ready yet."""
        runtime = cls(environment)
        runtime._live.start()
        return runtime

    @property
    def ready(self) -> bool:
        """Whether a release is loaded."""
        return self._live.current is not None

    def close(self) -> None:
        """Stop following and let go of connections."""
        self._live.close()
        for guard in self._guards:
            guard.close()
        self._index.close()

    def recommend(self, request: RecommendRequest) -> Shelf:
        """A shelf for one user; see `Ladder`."""
        return self._ladder.shelf(self._bundle(), request)

    def similar(self, request: SimilarRequest) -> Similar:
        """Items nearest to an item; see `serving.similar`."""
        return similar(self._bundle(), request)

    def push(self, request: EventRequest) -> Accepted:
        """Put an event into its user's online history.

        Raises:
            Refused: No history may hold the event (400), or it was not stored (503).
        """
        bundle = self._bundle()
        try:
            recorded = record_event(
                Event(**request.model_dump()),
                bundle.release,
                lambda event: self._guards[2].call(lambda: bundle.features.push(event)),
            )
        except EventRefused as error:
            metrics.EVENTS.labels("refused").inc()
            raise Refused(400, _fault_of_event(error)) from error
        except CallRefused as refused:
            if isinstance(refused.error, EventRefused):
                metrics.EVENTS.labels("refused").inc()
                raise Refused(400, _fault_of_event(refused.error)) from refused
            metrics.EVENTS.labels("not_stored").inc()
            raise Refused(503, _not_stored(str(refused.error))) from refused
        except GuardTripped as tripped:
            # Saying yes would lose the event; the sender can send it again.
            metrics.EVENTS.labels("not_stored").inc()
            fault = _not_stored(f"The event was not stored ({tripped.reason}); send it again.")
            raise Refused(503, fault) from tripped
        metrics.EVENTS.labels("stored" if recorded.new else "known").inc()
        return Accepted(new=recorded.new, known_item=bool(recorded.known_item))

    def info(self) -> ReleaseInfo:
        """The release in use."""
        bundle = self._bundle()
        target = bundle.release.target
        return ReleaseInfo(
            release_id=bundle.release_id,
            loaded_at=bundle.loaded_at.isoformat(),
            items=len(bundle.release.item_ids),
            target_items=target.stop - target.start,
            index=self._index_rung,
        )

    def vector(self, request: VectorRequest) -> Vector:
        """A user's vector, by the very path that recommends.

        Raises:
            Refused: `serving.debug_vectors` is off (404) or the store does not answer (503).
        """
        if not self._debug_vectors:
            raise Refused(
                404,
                Fault(error="off", message="Vectors are shown where serving.debug_vectors is on."),
            )
        bundle = self._bundle()
        try:
            user = self._ladder.read(bundle, request.user_id)
        except GuardTripped as tripped:
            fault = Fault(error="not_ready", message=f"No features: {tripped.reason}.")
            raise Refused(503, fault) from tripped
        return Vector(
            release_id=bundle.release_id,
            user_id=request.user_id,
            known=bool(user.known[0]),
            vector=bundle.release.user_vectors(user)[0].tolist(),
        )

    def _load(self, release_id: str) -> Bundle:
        bundle = Bundle.load(self._store, release_id, self._environment)
        self._index.warm(bundle.release.manifest.collection, bundle.nobody())
        return bundle

    def _bundle(self) -> Bundle:
        bundle = self._live.current
        if bundle is None:
            raise Refused(
                503,
                Fault(error="not_ready", message="No release is live; promote one and try again."),
            )
        return bundle


def _fault_of_event(error: EventRefused) -> Fault:
    return Fault(
        error="bad_body",
        message=f"{error.field}: {error}",
        fields=[FieldFault(field=error.field, message=str(error))],
    )


def _not_stored(why: str) -> Fault:
    return Fault(error="not_stored", message=why)
