"""A person in the online stores: every view of theirs, without a trace in a file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from colisten.errors import FeatureError
from colisten.extras import needs
from colisten.features.lightfeast import EntityKey, FeatureStore, Value, serialize_entity_key
from colisten.features.repository import key_space_of, online_file
from colisten.features.row_turns import writing_lock
from colisten.features.store import open_online
from colisten.files import located
from colisten.privacy.places import USER, Place
from colisten.release.feature_files import FEATURES, repositories

_PATIENCE_SECONDS = 30.0
_KEY_VERSION = 3  # as `colisten.feature_repo.stores` has it
_REMOVED = "removed from the online store"


def online_places(home: Path) -> list[Place]:
    """Every key space of an output folder once, whichever generations read it."""
    spaces: dict[object, Place] = {}
    for folder in repositories(home):
        place = OnlineRows(folder)
        spaces.setdefault(place.rows(), place)
    # Also those of repositories that are gone.
    for file in sorted(located(home / FEATURES).glob("online*.db")):
        spaces.setdefault(file, FileRows(file))
    return list(spaces.values())


@dataclass(frozen=True)
class OnlineRows:
    """The online store of a feature repository.

    Attributes:
        path: Folder of the repository.
    """

    path: Path
    done: str = _REMOVED

    def rows(self) -> object:
        """What tells its rows from those of other repositories."""
        try:
            store = open_online(self.path)
        except FeatureError:  # said by whoever counts them
            return self.path
        return online_file(store) or key_space_of(store)

    def count(self, user_id: str) -> int:
        """See `Place`; raises FeatureError where the store is out of reach."""
        return self._each(user_id, remove=False)

    def remove(self, user_id: str) -> int:
        """See `Place`; raises FeatureError where the store is out of reach."""
        return self._each(user_id, remove=True)

    def _each(self, user_id: str, *, remove: bool) -> int:
        store = open_online(self.path)
        try:
            if (file := online_file(store)) is not None:
                return _in_sqlite(file, user_id, remove)
            return _in_redis(store, user_id, remove)
        except Exception as error:
            raise _out_of_reach(self.path, error) from error


@dataclass(frozen=True)
class FileRows:
    """A SQLite file of online rows that no repository names.

    Attributes:
        path: The file.
    """

    path: Path
    done: str = _REMOVED

    def count(self, user_id: str) -> int:
        """See `Place`; raises FeatureError where the file is no store or busy."""
        return self._each(user_id, remove=False)

    def remove(self, user_id: str) -> int:
        """See `Place`; raises FeatureError where the file is no store or busy."""
        return self._each(user_id, remove=True)

    def _each(self, user_id: str, *, remove: bool) -> int:
        try:
            return _in_sqlite(self.path, user_id, remove)
        except sqlite3.Error as error:
            raise _out_of_reach(self.path, error) from error


def _out_of_reach(path: Path, error: Exception) -> FeatureError:
    return FeatureError(
        f"The online store of {path} cannot answer: {error}.",
        "Forget again when it does; what was removed elsewhere stays so.",
    )


def _key(user_id: str) -> EntityKey:
    return EntityKey(join_keys=[USER], entity_values=[Value(string_val=user_id)])


def _in_sqlite(file: Path, user_id: str, remove: bool) -> int:
    if not file.exists():
        return 0
    stored = serialize_entity_key(_key(user_id), entity_key_serialization_version=_KEY_VERSION)
    with closing(
        sqlite3.connect(file, timeout=_PATIENCE_SECONDS, isolation_level=None)
    ) as connection:
        named = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%entity_key%'"
        ).fetchall()
        tables = ['"{}"'.format(name.replace('"', '""')) for (name,) in named]
        cells = 0
        for table in tables:
            rows = connection.execute(
                f"SELECT count(*) FROM {table} WHERE entity_key = ?", (stored,)
            )
            cells += int(rows.fetchone()[0])
        if remove:
            # What is deleted is overwritten; what was deleted or moved before goes with the pages
            # that a rewritten file no longer has.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE")
            for table in tables:
                connection.execute(f"DELETE FROM {table} WHERE entity_key = ?", (stored,))
            connection.execute("COMMIT")
            connection.execute("VACUUM")
    return cells


def _in_redis(store: FeatureStore, user_id: str, remove: bool) -> int:
    needs("redis")
    online = store.provider.online_store
    client = online._get_client(store.config.online_store)
    (stored,) = online._generate_redis_keys_for_entities(store.config, [_key(user_id)])
    cells = int(client.hlen(stored))
    if remove:
        client.delete(stored, writing_lock(store.project, user_id))
    return cells
