"""The online feature store as one release reads it; opened beside the answers, never by one.

Each release reads the repository of its own generation, and with it the online rows of its key
space, which it may share with other releases.

A history is stored as item ids, and each release reads them as indices of its own catalogue: so
every loaded release has a client of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from colisten.data import parquet
from colisten.errors import FeatureError, FeaturesRefused, UserUnreadable
from colisten.features.events import Event
from colisten.features.names import CONFIG_FILE, REGISTRY_FILE, SOURCES, TIMESTAMP, history_view
from colisten.features.repository import Digests
from colisten.features.store import OnlineFeatures
from colisten.features.users import UserBatch
from colisten.logs import logger
from colisten.release.loaded import LoadedRelease
from colisten.settings.sections import FeatureSettings

_NOBODY = "nobody (warm-up)"
_USUAL_LENGTH = FeatureSettings().history_length
_log = logger("serving.features")


class FeatureClient:
    """Reads users and writes events through the feature store of a release.

    Args:
        folder: The release's feature repository.
        release: Whose catalogue and feature specification users are read by.
        bound: Digests that the repository's files must have, as of now; None where nobody knows.

    Attributes:
        refused: Why the files that lie there now are not opened; None where they are.
        patience_seconds: See `OnlineFeatures`.
        through: The newest moment in the sources that its rows were filled from, UTC; None where it
            is not open or they are not there.
    """

    def __init__(
        self,
        folder: Path,
        release: LoadedRelease,
        *,
        bound: Callable[[], Digests | None] = lambda: None,
        patience_seconds: float = 5.0,
    ) -> None:
        self.refused: str | None = None
        self.through: datetime | None = None
        self._folder = folder
        self._bound = bound
        self._patience = patience_seconds
        self._release = release
        self._lock = threading.Lock()
        self._features: OnlineFeatures | None = None
        self._why = f"The feature store at {folder} is not open."
        self._witnesses: list[str] = []
        self._seen: tuple[int | None, ...] | None = None
        self._online: Path | None = None

    def read(self, user_id: str) -> UserBatch:
        """What is known of one user now; a batch of one.

        Raises:
            FeatureError: The store is not open or cannot answer.
        """
        return self.read_all([user_id])

    def read_all(self, user_ids: Sequence[str]) -> UserBatch:
        """The same of several users, in order.

        Raises:
            UserUnreadable: What is stored of one of them is damaged.
            FeatureError: As `read`.
        """
        return self._opened().read(user_ids)

    def push(self, event: Event) -> bool:
        """Put an event into its user's history; False where it was there already.

        Raises:
            FeatureError: The store is not open or refuses.
        """
        return self._opened().push(event)

    @property
    def key_space(self) -> tuple[str, ...] | None:
        """What tells its online rows from those of other stores; None where it is not open."""
        features = self._features
        return None if features is None else features.key_space

    @property
    def types(self) -> tuple[str, ...]:
        """Item types that it keeps histories of; none where it is not open."""
        features = self._features
        return () if features is None else features.types

    @property
    def bounded(self) -> bool:
        """Whether what is asked keeps to the patience by itself: of a file, not of a server."""
        features = self._features
        return features is None or features.bounded

    @property
    def history_length(self) -> int:
        """Most events of a history; where the store is not open, as many as it has by default."""
        features = self._features
        return _USUAL_LENGTH if features is None else features.history_length

    def probe(self) -> None:
        """Ask the store of nobody: it answers, or it raises as `read` does."""
        self._opened().read([_NOBODY])

    def holds_users(self) -> bool:
        """Whether it knows any of a few users of whom the repository's sources tell.

        True where there are no sources to ask of.

        Raises:
            FeatureError: As `read`.
        """
        features, witnesses = self._opened(), self._witnesses
        for user_id in witnesses:
            try:
                if features.read([user_id]).known[0]:
                    return True
            except UserUnreadable:
                return True  # damaged is not forgotten
        return not witnesses

    def look(self) -> None:
        """Open the store, or open it anew where its files were replaced; logs what fails.

        Called at load and now and then by the thread that follows releases: opening takes too
        long for a request. A store that is being rebuilt may be looked at again before it is
        whole; then users are unknown for that while. Files that hold code, or that are not those
        published with a release, are not opened: what was open stays, and `refused` says why.
        """
        with self._lock:
            now = self._identity()
            if now == self._seen and self._features is not None:
                self.refused = None  # what was refused meanwhile is gone again
                return
            try:
                features = OnlineFeatures(
                    self._folder,
                    self._release.index_of,
                    self._release.spec.fields,
                    bound=self._bound(),
                    patience_seconds=self._patience,
                )
                # The first read loads the online store's client, which takes seconds.
                features.read([_NOBODY])
                self._features, self._online = features, features.online_file
                self._witnesses = _witnesses(self._folder, self._release.spec.types)
                self.through = _newest(self._folder, self._release.spec.types)
            except FeaturesRefused as error:
                # Tried again at every look: what was published last is noted after it was built.
                if self.refused is None:
                    _log.warning("feature_store_refused", error=str(error))
                self.refused = self._why = str(error)
                return
            except Exception as error:
                # Feast raises whatever its parts do; meanwhile popular items answer.
                self._features = None
                self._why = str(error) or type(error).__name__
                if now != self._seen:
                    _log.warning("feature_store_closed", error=str(error))
            else:
                self.refused = None
                _log.info("feature_store_open", folder=str(self._folder))
            # Opening may itself create SQLite's file.
            self._seen = self._identity()

    def _opened(self) -> OnlineFeatures:
        features = self._features
        if features is None:
            raise FeatureError(self._why)
        return features

    def _identity(self) -> tuple[int | None, ...]:
        watched = [self._folder / CONFIG_FILE, self._folder / REGISTRY_FILE]
        return tuple(_inode(file) for file in (*watched, self._online) if file is not None)


def _inode(file: Path) -> int | None:
    try:
        return file.stat().st_ino
    except OSError:
        return None


def _witnesses(folder: Path, types: Iterable[str]) -> list[str]:
    """A few users with a history in the sources that the online store is filled from."""
    found: set[str] = set()
    for item_type in types:
        try:
            with parquet.opened(_source(folder, item_type)) as file:
                users = file.read_row_group(0, columns=["user_id"]).column(0)
            found |= {users[at].as_py() for at in (0, len(users) // 2, len(users) - 1)}
        except (OSError, IndexError, pa.ArrowException):
            continue  # none there, or without a row
    return sorted(found)


def _newest(folder: Path, types: Iterable[str]) -> datetime | None:
    """The latest moment of any history in the sources, as their files say it of themselves."""
    moments: list[datetime] = []
    for item_type in types:
        try:
            with parquet.opened(_source(folder, item_type)) as file:
                column = file.schema_arrow.get_field_index(TIMESTAMP)
                for group in range(file.num_row_groups):
                    told = file.metadata.row_group(group).column(column).statistics
                    if told is not None and told.has_min_max:
                        moments.append(told.max)
        except (OSError, pa.ArrowException):
            continue  # none there
    return max(moments, default=None)


def _source(folder: Path, item_type: str) -> Path:
    return folder / SOURCES / f"{history_view(item_type)}.parquet"
