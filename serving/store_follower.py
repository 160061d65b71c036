"""Following a store: its mirror on this machine is brought up to date, beside the answers.

One process of a machine at a time asks the store; every worker follows the mirror, as it follows
a folder. A store that is out of reach changes nothing of what is served: it is named and counted.
"""

from __future__ import annotations

import threading
import time

from colisten.errors import ColistenError, StoreUnreachable
from colisten.logs import logger
from colisten.serving import metrics
from colisten.serving.environment import Environment
from colisten.serving.parts import STORE, Parts
from colisten.store.address import StoreAddress
from colisten.store.bucket import Bucket
from colisten.store.drift_figures import fetch_drift
from colisten.store.mirror import Mirror

# A report is of a day.
_DRIFT_SECONDS = 600.0
_log = logger("serving.store")


class StoreFollower:
    """Fetches what is live in a store, now and then.

    Args:
        environment: Whose home mirrors a store.
        store: Which.
        parts: Where it notes how the store is.
    """

    def __init__(self, environment: Environment, store: StoreAddress, parts: Parts) -> None:
        self._mirror = Mirror(environment.home, Bucket(store))
        self._drift_at = 0.0
        self._pinned = tuple(environment.settings.experiment.pinned.values())
        self._seconds = environment.settings.serving.follow_seconds
        self._parts = parts
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follow-store", daemon=True)

    def start(self) -> None:
        """Go on looking."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def look(self, *, wait: bool = False) -> None:
        """Bring the mirror up to date, unless another process just did or does."""
        try:
            with self._mirror.turn(wait=wait):
                if not self._seen_just_now():
                    self._mirror.fetch(liked=self._pinned)
                    self._mirror.check_served()
                    self._bring_drift()
        except BlockingIOError:
            return  # whoever has the turn; this one knows nothing newer
        except (ColistenError, OSError) as error:
            metrics.STORE_LOOKS.labels("failed").inc()
            gone = isinstance(error, StoreUnreachable)
            reason = "store_unreachable" if gone else "store_refused"
            self._parts.ill(STORE, reason, f"{error} What was fetched before is served.")
        else:
            metrics.STORE_LOOKS.labels("well").inc()
            self._parts.well(STORE)

    def _bring_drift(self) -> None:
        if time.monotonic() >= self._drift_at:
            self._drift_at = time.monotonic() + _DRIFT_SECONDS
            fetch_drift(self._mirror.bucket, self._mirror.home)

    def _seen_just_now(self) -> bool:
        seen = self._mirror.seen_at()
        return seen is not None and 0 <= time.time() - seen < self._seconds / 2

    def _follow(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self.look()
            except Exception:
                # Whatever it was, the thread must live on: without it nothing new is ever seen.
                _log.exception("follow_store_failed")
