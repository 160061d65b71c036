"""How many answers may be popular before a worker says that it is not ready.

Popular items are an answer and no error, so nothing that counts errors sees a store that is lost.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from colisten.serving.answers import How

_LEAST_ANSWERS = 20
_BUCKETS = 20


class PopularFloor:
    """Watches the share of known users who are answered with popular items.

    Users of whom nothing is known do not count: popular items are all that there is for them.

    Args:
        share: Largest share that is let pass, 0 to 1; None lets every one pass.
        seconds: Over how long it is taken.
        clock: Seconds that only grow.
    """

    def __init__(
        self, share: float | None, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._share = share
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: deque[list[float]] = deque()  # [begin, answers, popular ones]
        self._broken = False

    def note(self, how: How) -> None:
        """Count one answer."""
        if self._share is None or "user_unknown" in how.fallbacks:
            return
        with self._lock:
            now = self._clock()
            if not self._buckets or now - self._buckets[-1][0] >= self._seconds / _BUCKETS:
                self._buckets.append([now, 0, 0])
            self._buckets[-1][1] += 1
            self._buckets[-1][2] += how.search == "popular"
            self._forget(now)

    def holds(self, well: bool) -> bool:
        """Whether the share is small enough.

        Args:
            well: Whether the feature store is: once broken and no longer asked, a worker is ready
                again when it is.
        """
        if self._share is None:
            return True
        with self._lock:
            now = self._clock()
            self._forget(now)
            answers = sum(bucket[1] for bucket in self._buckets)
            popular = sum(bucket[2] for bucket in self._buckets)
            if answers < _LEAST_ANSWERS:
                self._broken = self._broken and not well
            elif popular <= self._share * answers:
                self._broken = False
            elif now - self._buckets[0][0] >= self._seconds * (1 - 2 / _BUCKETS):
                self._broken = True
            return not self._broken

    def _forget(self, now: float) -> None:
        while self._buckets and now - self._buckets[0][0] > self._seconds:
            self._buckets.popleft()
