"""The vector index as the service reaches it: opened when first needed, again when it has moved.

An embedded index server that was restarted listens on another port and writes it down; a client
that fails looks there before the next call. Nothing here opens Milvus Lite in this process: that
would keep everyone else, publishing included, out of it.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from colisten.errors import VectorIndexError
from colisten.index import VectorIndex
from colisten.index.filter import Filter
from colisten.index.opening import index_class
from colisten.logs import logger
from colisten.settings.index import IndexSettings

_log = logger("serving.index")


class IndexClient:
    """Searches the index of an output folder.

    Args:
        home: The folder that `colisten run --out` made.
        settings: The `index` section.
    """

    def __init__(self, home: Path, settings: IndexSettings) -> None:
        self._home = home
        self._settings = settings
        self._class = index_class(settings.backend)
        self._opening = threading.Lock()
        self._index: VectorIndex | None = None
        self._address: str | None = None

    def search(
        self,
        collection: str,
        query: np.ndarray,
        k: int,
        *,
        filter: Filter,
        deadline: float,
    ) -> tuple[list[str], np.ndarray]:
        """Ids of the k nearest items of one query float32 [1, d], and their scores.

        Raises:
            VectorIndexError: The index is out of reach or has no such collection.
        """
        index = self._index or self._open()
        try:
            ids, scores = index.search(collection, query, k, filter=filter, deadline=deadline)
        except VectorIndexError:
            self._look_again(index)
            raise
        return ids[0], scores[0]

    def count(self, collection: str, *, deadline: float) -> int:
        """Items in a collection.

        Raises:
            VectorIndexError: The index is out of reach or has no such collection.
        """
        index = self._index or self._open()
        try:
            return index.count(collection, deadline=deadline)
        except VectorIndexError:
            self._look_again(index)
            raise

    def close(self) -> None:
        """Let go of the connection."""
        index, self._index = self._index, None
        if index is not None:
            index.close()

    def _open(self) -> VectorIndex:
        # Opening can take seconds where a server does not answer: one thread at a time waits.
        if not self._opening.acquire(blocking=False):
            raise VectorIndexError("The index is being opened.")
        try:
            if self._index is None:
                self._address = self._class.address(self._home, self._settings)
                if self._address is None:
                    raise VectorIndexError(
                        f"No index server runs for {self._home}.",
                        "`colisten serve` starts one; or set index.uri.",
                    )
                self._index = self._class.open(self._home, self._settings)
                _log.info("index opened", **self._index.describe())
            return self._index
        finally:
            self._opening.release()

    def _look_again(self, failed: VectorIndex) -> None:
        """Drop a connection whose server has moved; at one address it reconnects itself."""
        if self._class.address(self._home, self._settings) == self._address:
            return
        with self._opening:
            if self._index is failed:
                self._index = None
        failed.close()
