"""Events on their way into users' online histories: judged, stored, counted, written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from colisten.errors import EventRefused
from colisten.features.events import Event
from colisten.release.recording import record_event
from colisten.serving import metrics
from colisten.serving.active_release import ActiveRelease
from colisten.serving.answers import Accepted, AcceptedBatch, EventEntry
from colisten.serving.circuit_breaker import CallFailed, CallRefused, CircuitBreaker
from colisten.serving.exposure_log import ExposureLog
from colisten.serving.problems import Fault, Problem, Refused, refused_field
from colisten.serving.requests import EventRequest

# Events of one body that are stored at once: they share the store's transactions.
_AT_ONCE = 8
_NOT_OF_EVENT = ("recommendation_id",)


class EventIntake:
    """Stores events, one by itself or several of one body.

    Args:
        breaker: Budget and breaker of storing.
        log: Where accepted events are written down; None where nothing is.
        others: Releases that answer beside the live one.
    """

    def __init__(
        self,
        breaker: CircuitBreaker,
        log: ExposureLog | None,
        others: Callable[[], Sequence[ActiveRelease]] = tuple,
    ) -> None:
        self._breaker = breaker
        self._log = log
        self._others = others
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="event-intake")
        self._newest = 0.0

    def close(self) -> None:
        """Let go of the threads; what is being stored ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def take(self, active: ActiveRelease, request: EventRequest) -> Accepted:
        """Put an event into its user's online history.

        Raises:
            Refused: No history may hold the event (400), or it was not stored (503).
        """
        try:
            recorded = record_event(
                Event(**request.model_dump(exclude=set(_NOT_OF_EVENT))),
                active.release.spec.fields,
                active.release,
                lambda event: self._breaker.call(lambda: self._store(active, event)),
            )
        except EventRefused as error:
            raise _unfit(error) from error
        except CallRefused as refused:
            if isinstance(refused.error, EventRefused):
                raise _unfit(refused.error) from refused
            raise _not_stored(str(refused.error)) from refused
        except CallFailed as failed:
            # Saying yes would lose the event; the sender can send it again.
            why = f"The event was not stored ({failed.reason}); send it again."
            raise _not_stored(why) from failed
        metrics.EVENTS.labels("stored" if recorded.new else "known").inc()
        if (moment := request.timestamp.timestamp()) > self._newest:
            # Two threads may pass each other here; the next event puts it right.
            self._newest = moment
            metrics.EVENT_MOMENT.set(moment)
        if self._log is not None:
            # Also what was known: who sends it again may have met a worker that was killed between.
            self._log.done(request)
        return Accepted(new=recorded.new, known_item=bool(recorded.known_item))

    def take_all(
        self, active: ActiveRelease, entries: Sequence[EventRequest | Fault]
    ) -> AcceptedBatch:
        """Put several events into histories, each accepted or refused by itself.

        Args:
            active: The live release.
            entries: In the order that they were sent in.

        Raises:
            Refused: None was stored, and not for the events' sake alone (503).
        """
        outcomes = list(self._pool.map(lambda entry: self._outcome(active, entry), entries))
        told = [
            EventEntry(
                position=at,
                status=200 if isinstance(outcome, Accepted) else outcome.status,
                new=outcome.new if isinstance(outcome, Accepted) else None,
                known_item=outcome.known_item if isinstance(outcome, Accepted) else None,
                problem=None if isinstance(outcome, Accepted) else outcome,
            )
            for at, outcome in enumerate(outcomes)
        ]
        accepted = sum(one.problem is None for one in told)
        unstored = [one.problem for one in told if one.problem is not None and one.status == 503]
        if unstored and not accepted:
            # A 200 would look like health to whoever counts statuses.
            detail = f"None of {len(told)} events was stored. {unstored[0].detail}"
            raise Refused(503, Fault(code="not_stored", detail=detail))
        return AcceptedBatch(accepted=accepted, refused=len(told) - accepted, events=told)

    def _store(self, active: ActiveRelease, event: Event) -> bool:
        """Write an event where every release that answers reads it; False where it was there."""
        spaces = {active.features.key_space}
        for other in self._others():
            features = other.features
            # One that is not open reads nothing, and what it keeps no history of it never will.
            if features.key_space in {*spaces, None} or event.item_type not in features.types:
                continue
            spaces.add(features.key_space)
            features.push(event)
        return active.features.push(event)

    def _outcome(self, active: ActiveRelease, entry: EventRequest | Fault) -> Accepted | Problem:
        if isinstance(entry, Fault):
            metrics.EVENTS.labels("refused").inc()
            return Problem.of(400, entry)
        try:
            return self.take(active, entry)
        except Refused as refused:
            return Problem.of(refused.status, refused.fault)


def _unfit(error: EventRefused) -> Refused:
    metrics.EVENTS.labels("refused").inc()
    return refused_field(error.field, str(error))


def _not_stored(why: str) -> Refused:
    metrics.EVENTS.labels("not_stored").inc()
    return Refused(503, Fault(code="not_stored", detail=why))
