"""A budget of retries: so many a call, so that an outage is not met by twice the calls."""

from __future__ import annotations

import threading

_MOST = 10.0


class RetryBudget:
    """Tokens that calls earn and retries spend; safe to share between threads.

    Args:
        share: What a call earns. The budget holds ten at most, and is full at the start.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._tokens = _MOST if share else 0.0
        self._lock = threading.Lock()

    def note_call(self) -> None:
        """A call is made."""
        with self._lock:
            self._tokens = min(_MOST, self._tokens + self._share)

    def take(self) -> bool:
        """Spend one; False where none is left."""
        with self._lock:
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True
