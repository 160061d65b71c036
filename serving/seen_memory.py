"""What this worker last knew of what users had, for the moments at which the store does not answer.

A release knows what users had as it was made, the store what they have had since. Between the two
stands what a worker read for its latest askers: hashes, which hold for every release.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

from colisten.features.users import UserBatch

USERS = 20_000


class SeenMemory:
    """The latest users of a worker and what each had; safe to share between threads.

    Args:
        users: How many are kept, those who asked last.
    """

    def __init__(self, users: int = USERS) -> None:
        self._users = users
        self._had: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, user_id: str, user: UserBatch) -> None:
        """Keep what the store says of a user, a batch of one; nothing where it does not say."""
        if user.seen is None or not len(user.seen[0]):
            return
        with self._lock:
            self._had[user_id] = user.seen[0]
            self._had.move_to_end(user_id)
            if len(self._had) > self._users:
                self._had.popitem(last=False)

    def of(self, user_id: str) -> np.ndarray:
        """Hashes of what a user is remembered to have had, uint64 [n]."""
        with self._lock:
            return self._had.get(user_id, np.zeros(0, np.uint64))
