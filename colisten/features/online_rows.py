"""Rows of some entities from Feast's online store: of several views, in as few trips as it takes.

`FeatureStore.get_online_features` resolves names anew, copies every value into an answer of its
own and on into Python: milliseconds where the rows take tenths. Here what is read is settled
once, and the store is asked in its own terms.
"""

from __future__ import annotations

from colisten.extras import needs

needs("feast")

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from colisten.features.lightfeast import EntityKey, FeatureStore, Value, serialize_entity_key

Rows = list[Any]
"""Per entity what a view holds of it: a mapping of feature to value, or None."""
View = tuple[Any, tuple[str, ...]]
"""A feature view and which of its features are read."""


class OnlineRows(Protocol):
    """Reads views; thread-safe where the online store is."""

    def read(self, keys: Sequence[EntityKey]) -> list[Rows]:
        """The rows of each view, in the order of `keys`; raises whatever the store raises."""


def online_rows(store: FeatureStore, views: Sequence[View]) -> OnlineRows:
    """How a store's views are read with the fewest trips."""
    kinds: dict[str, Callable[..., OnlineRows]] = {"redis": _OneTrip, "sqlite": _OneStatement}
    return kinds.get(store.config.online_store.type, _TripAView)(store, views)


class _TripAView:
    """By the interface of every online store, one view after the other."""

    def __init__(self, store: FeatureStore, views: Sequence[View]) -> None:
        self._provider, self._config, self._views = store.provider, store.config, views

    def read(self, keys: Sequence[EntityKey]) -> list[Rows]:
        read = self._provider.online_read
        # A list of its own for each call: a store may add to what it is asked for.
        answers = (
            read(self._config, view, list(keys), list(features)) for view, features in self._views
        )
        return [[row for _, row in rows] for rows in answers]


class _OneTrip:
    """From Redis, which has all of an entity's views under one key, as one pipeline."""

    def __init__(self, store: FeatureStore, views: Sequence[View]) -> None:
        self._config, self._online = store.config, store.provider.online_store
        self._fields = [
            (view.name, *self._online._generate_hset_keys_for_features(view, list(features)))
            for view, features in views
        ]

    def read(self, keys: Sequence[EntityKey]) -> list[Rows]:
        own = self._online._generate_redis_keys_for_entities(self._config, list(keys))
        commands = [(key, fields) for _, _, fields in self._fields for key in own]
        stored = self._online._read_hash_fields(self._config, commands)
        return [
            [
                row
                for _, row in self._online._convert_redis_values_to_protobuf(
                    stored[at * len(own) : (at + 1) * len(own)], name, features
                )
            ]
            for at, (name, features, _) in enumerate(self._fields)
        ]


class _OneStatement:
    """From SQLite, all views' features of an entity as one row.

    Each row that is fetched lets other threads run in between, and may wait for them afterwards:
    so what is a row a feature to Feast is one of all features here. It is also one moment of the
    file, whatever is written meanwhile.
    """

    def __init__(self, store: FeatureStore, views: Sequence[View]) -> None:
        # Feast imports a store's module, and what that needs, where a repository names the store.
        from feast.infra.online_stores.sqlite import _quote_id, _table_id

        config = store.config
        version = config.entity_key_serialization_version
        versioned = config.registry.enable_online_feature_view_versioning
        self._connection = store.provider.online_store._get_conn(config)
        self._serialized: Callable[[EntityKey], bytes] = partial(
            serialize_entity_key, entity_key_serialization_version=version
        )
        self._features = [features for _, features in views]
        self._cells = ", ".join(
            f"(SELECT value FROM {_quote_id(_table_id(config.project, view, versioned))} "
            f"WHERE entity_key = asked.entity_key AND feature_name = {_text(feature)})"
            for view, features in views
            for feature in features
        )

    def read(self, keys: Sequence[EntityKey]) -> list[Rows]:
        asked = ", ".join(f"({at}, ?)" for at in range(len(keys)))
        found = self._connection.execute(
            f"WITH asked(place, entity_key) AS (VALUES {asked}) "
            f"SELECT {self._cells} FROM asked ORDER BY place",
            [self._serialized(key) for key in keys],
        ).fetchall()
        answers: list[Rows] = []
        start = 0
        for features in self._features:
            part = slice(start, start + len(features))
            answers.append([_parsed(features, cells[part]) for cells in found])
            start = part.stop
        return answers


def _parsed(features: Sequence[str], cells: Sequence[bytes | None]) -> dict[str, Value] | None:
    """Features that are stored; None where none is."""
    row = {}
    for feature, cell in zip(features, cells, strict=True):
        if cell is not None:
            row[feature] = value = Value()
            value.ParseFromString(cell)
    return row or None


def _text(value: str) -> str:
    """A literal of SQL."""
    doubled = value.replace("'", "''")
    return f"'{doubled}'"
