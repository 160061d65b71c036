"""Long work beside short work: it gives way.

A release is loaded by a thread of a process that answers meanwhile, often on a machine that has no
core to spare. It has all the time in the world; who asks for a shelf has not.
"""

from __future__ import annotations

import time

SHARE = 0.25
"""Of the time, how much is worked, where there is a core for it."""
_LONGEST_SECONDS = 1.0


def at_once() -> None:
    """No rest: nobody waits for anything else."""


class Unhurried:
    """Rests after each part of one thread's work, in proportion to what it took of a core."""

    def __init__(self) -> None:
        self._since = time.thread_time()

    def __call__(self) -> None:
        """Rest, in proportion to what was worked since the last rest."""
        worked = time.thread_time() - self._since
        time.sleep(min(_LONGEST_SECONDS, worked * (1 - SHARE) / SHARE))
        self._since = time.thread_time()
