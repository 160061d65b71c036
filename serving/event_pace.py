"""How many events a worker takes a second, so that who writes leaves room for who asks.

Storing an event holds the interpreter and the store's file for about as long as a shelf takes. Four
clients that send one after the other would take all of it, and shelves would miss their budgets.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from colisten.serving.lanes import Busy

SECONDS = 2.0
"""Over how many seconds events are counted: a burst may be that long."""


class EventPace:
    """A bucket of events that fills up at the pace that is allowed; used by one event loop.

    A body is taken whole while there is anything left, and what it is too long is owed: the
    longest one fits at any pace.

    Args:
        a_second: Events.
        clock: Seconds.
    """

    def __init__(self, a_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = a_second
        self._clock = clock
        self._left = a_second * SECONDS
        self._filled = clock()

    def take(self, events: int) -> None:
        """Take so many.

        Raises:
            Busy: None is left.
        """
        now = self._clock()
        self._left = min(self._left + (now - self._filled) * self._pace, self._pace * SECONDS)
        self._filled = now
        if self._left < 1:
            raise Busy(max(1, math.ceil((1 - self._left) / self._pace)))
        self._left -= events
