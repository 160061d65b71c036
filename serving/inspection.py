"""Looking now and then whether what answers stand on is still what it was.

A request sees only what it asks for. Here index, feature store and release files are asked what
they should know, in threads beside the requests; what is found stands at /v1/release, is counted,
and decides whether the index is asked at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from colisten.logs import logger
from colisten.serving import metrics
from colisten.serving.active_release import ActiveRelease
from colisten.serving.ages import Ages
from colisten.serving.index_client import IndexClient
from colisten.serving.index_truth import ERROR, TARGET_ITEMS, IndexFault, collection_fault
from colisten.serving.parts import FEATURES, FILES, INDEX, Parts

# A dependency that needs longer is out of reach, whatever it says in the end.
_PATIENCE_SECONDS = 5.0
# Looking takes a twentieth of the time where the index is large, and is put off no further than
# this many times: what is slow may be slow because it is broken.
_REST_SHARE, _LONGEST_REST = 19, 5
_NEXT = "next"  # the index as a release asks that is about to be taken up, in another thread
_log = logger("serving.inspection")


class BoundedCall:
    """One call at a time, waited for so long and no longer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], None], seconds: float) -> None:
        """Run `work` beside this thread.

        Raises:
            TimeoutError: It, or the call before it, does not come back.
        """
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=work, name=self._name, daemon=True)
            self._thread.start()
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise TimeoutError(f"It does not answer within {seconds:g} s.")


class Inspector:
    """Inspects the parts of one worker.

    Args:
        current: What answers now; None before anything does.
        others: What answers beside it.
        parts: Where findings are noted.
        index: The vector index; None where items are searched in this process alone.
        ages: Says how old what answers is.
        seconds: How long to wait between two looks.
    """

    def __init__(
        self,
        current: Callable[[], ActiveRelease | None],
        others: Callable[[], Sequence[ActiveRelease]],
        parts: Parts,
        index: IndexClient | None,
        ages: Ages,
        *,
        seconds: float,
    ) -> None:
        self._current = current
        self._others = others
        self._parts = parts
        self._index = index
        self._ages = ages
        self._seconds = seconds
        self._calls = {name: BoundedCall(f"inspect-{name}") for name in (FEATURES, INDEX, _NEXT)}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="inspect-parts", daemon=True)

    def start(self) -> None:
        """Look once, then go on looking."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)  # a dependency may hold it longer

    def look(self) -> None:
        """Inspect everything once."""
        active = self._current()
        if active is None:
            return
        self.judge_index(active)
        self._judge_features(active)
        others = self._others()
        for other in others:
            self.judge_index(other)
        faults = [fault for one in (active, *others) if (fault := one.files.fault()) is not None]
        if faults:
            self._parts.ill(FILES, "files_changed", " ".join(faults))
        else:
            self._parts.well(FILES)
        self._ages.tell(active)

    def judge_index(self, active: ActiveRelease) -> None:
        """Whether a release's collection is to be asked; also before the release is taken up."""
        call = self._calls[INDEX if self._current() is active else _NEXT]
        active.index.fault = fault = self._index_fault(active, call)
        if self._current() not in (None, active):
            return
        if (items := active.index.items) is not None:
            metrics.INDEX_ITEMS.labels("index").set(items)
            metrics.INDEX_ITEMS.labels("release").set(active.release.manifest.counts[TARGET_ITEMS])
        if fault is None:
            self._parts.well(INDEX)
        else:
            self._parts.ill(INDEX, fault.reason, fault.why)

    def _index_fault(self, active: ActiveRelease, call: BoundedCall) -> IndexFault | None:
        index, found = self._index, list[IndexFault | None]()
        if index is None:
            return None

        def judge() -> None:
            trusted = active.index.fault is None
            trust = active.index
            fault = collection_fault(
                active.release, index, trust, _PATIENCE_SECONDS, trusted=trusted
            )
            # A request may have found meanwhile what the count alone does not show.
            found.append(active.index.fault if trusted and fault is None else fault)

        try:
            call.run(judge, 2 * _PATIENCE_SECONDS)
        except TimeoutError as error:
            return IndexFault(ERROR, str(error))
        # Nothing was found where only the call before was waited for.
        return found[0] if found else active.index.fault

    def _judge_features(self, active: ActiveRelease) -> None:
        found: list[tuple[str, str] | None] = []

        def judge() -> None:
            found.append(_features_fault(active))

        try:
            self._calls[FEATURES].run(judge, _PATIENCE_SECONDS)
        except TimeoutError as error:
            found = [("features_timeout", str(error))]
        if not found:
            return
        if found[0] is None:
            self._parts.well(FEATURES)
        else:
            self._parts.ill(FEATURES, *found[0])

    def _go_on(self) -> None:
        took = 0.0
        while not self._ended.wait(
            min(max(self._seconds, _REST_SHARE * took), _LONGEST_REST * self._seconds)
        ):
            begun = time.monotonic()
            try:
                self.look()
            except Exception:
                # Whatever it was, the thread must live on: without it nothing is noticed.
                _log.exception("inspection_failed")
            took = time.monotonic() - begun


def _features_fault(active: ActiveRelease) -> tuple[str, str] | None:
    """A reason and a sentence; None where the store answers and knows whom it should."""
    try:
        active.features.probe()
        if (refused := active.features.refused) is not None:
            return "features_refused", f"What was open before answers. {refused}"
        if not active.features.holds_users():
            return "features_empty", "It knows none of the users in its own sources."
    except Exception as error:
        return "features_error", str(error) or type(error).__name__
    return None
