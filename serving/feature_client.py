"""The online feature store as one release reads it; opened beside the answers, never by one.

A history is stored as item ids, and each release reads them as indices of its own catalogue: so
every loaded release has a client of its own.
"""

from __future__ import annotations

import threading
from pathlib import Path

from colisten.errors import FeatureError
from colisten.features.events import Event
from colisten.features.names import CONFIG_FILE
from colisten.features.store import OnlineFeatures
from colisten.features.users import UserBatch
from colisten.logs import logger
from colisten.release.loaded import LoadedRelease

_WATCHED = (CONFIG_FILE, "registry.db", "online.db")
_NOBODY = "nobody (warm-up)"
_log = logger("serving.features")


class FeatureClient:
    """Reads users and writes events through the feature store of an output folder.

    Args:
        folder: The feature repository.
        release: Whose catalogue and feature specification users are read by.
        patience_seconds: See `OnlineFeatures`.
    """

    def __init__(
        self, folder: Path, release: LoadedRelease, *, patience_seconds: float = 5.0
    ) -> None:
        self._folder = folder
        self._patience = patience_seconds
        self._release = release
        self._lock = threading.Lock()
        self._features: OnlineFeatures | None = None
        self._seen: tuple[int | None, ...] | None = None

    @property
    def embedded(self) -> bool:
        """Whether a read waits for no network: see `OnlineFeatures`; or fails at once."""
        return self._features is None or self._features.embedded

    def read(self, user_id: str) -> UserBatch:
        """What is known of one user now; a batch of one.

        Raises:
            FeatureError: The store is not open or cannot answer.
        """
        return self._opened().read([user_id])

    def push(self, event: Event) -> bool:
        """Put an event into its user's history; False where it was there already.

        Raises:
            FeatureError: The store is not open or refuses.
        """
        return self._opened().push(event)

    def look(self) -> None:
        """Open the store, or open it anew where its files were replaced; logs what fails.

        Called at load and now and then by the thread that follows releases: opening takes too
        long for a request. A store that is being rebuilt may be looked at again before it is
        whole; then users are unknown for that while.
        """
        with self._lock:
            now = self._identity()
            if now == self._seen and self._features is not None:
                return
            try:
                features = OnlineFeatures(
                    self._folder,
                    self._release.index_of,
                    self._release.spec.fields,
                    patience_seconds=self._patience,
                )
                # The first read loads the online store's client, which takes seconds.
                features.read([_NOBODY])
                self._features = features
            except FeatureError as error:
                self._features = None
                if now != self._seen:
                    _log.warning("feature_store_closed", error=str(error))
            else:
                _log.info("feature_store_open", folder=str(self._folder))
            # Opening may itself create online.db.
            self._seen = self._identity()

    def _opened(self) -> OnlineFeatures:
        features = self._features
        if features is None:
            raise FeatureError(f"The feature store at {self._folder} is not open.")
        return features

    def _identity(self) -> tuple[int | None, ...]:
        return tuple(_inode(self._folder / name) for name in _WATCHED)


def _inode(file: Path) -> int | None:
    try:
        return file.stat().st_ino
    except OSError:
        return None
