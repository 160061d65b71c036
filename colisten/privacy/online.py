"""A person in the online store: every view of theirs, without a trace in its file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from colisten.errors import FeatureError
from colisten.extras import needs
from colisten.features.lightfeast import EntityKey, FeatureStore, Value, serialize_entity_key
from colisten.features.names import PROJECT
from colisten.features.store import open_online
from colisten.privacy.places import USER

_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class OnlineRows:
    """The online store of a feature repository.

    Attributes:
        path: Folder of the repository.
    """

    path: Path
    done: str = "removed from the online store"

    def count(self, user_id: str) -> int:
        """See `Place`; raises FeatureError where the store is out of reach."""
        return self._each(user_id, remove=False)

    def remove(self, user_id: str) -> int:
        """See `Place`; raises FeatureError where the store is out of reach."""
        return self._each(user_id, remove=True)

    def _each(self, user_id: str, *, remove: bool) -> int:
        store = open_online(self.path)
        key = EntityKey(join_keys=[USER], entity_values=[Value(string_val=user_id)])
        in_store = _in_sqlite if store.config.online_store.type == "sqlite" else _in_redis
        try:
            return in_store(store, key, remove)
        except Exception as error:
            raise FeatureError(
                f"The online store of {self.path} cannot answer: {error}.",
                "Forget again when it does; what was removed elsewhere stays so.",
            ) from error


def _in_sqlite(store: FeatureStore, key: EntityKey, remove: bool) -> int:
    file = Path(store.provider.online_store._get_db_path(store.config))
    if not file.exists():
        return 0
    stored = serialize_entity_key(
        key, entity_key_serialization_version=store.config.entity_key_serialization_version
    )
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


def _in_redis(store: FeatureStore, key: EntityKey, remove: bool) -> int:
    needs("redis")
    online = store.provider.online_store
    client = online._get_client(store.config.online_store)
    (stored,) = online._generate_redis_keys_for_entities(store.config, [key])
    cells = int(client.hlen(stored))
    if remove:
        client.delete(stored, f"{PROJECT}:writing:{key.entity_values[0].string_val}")
    return cells
