"""Users from the rows of Feast's online store, each value parsed once and without a table between.

The same `UserBatch` as `UserBatch.from_table` makes of the offline store's answer.
"""

from __future__ import annotations

from colisten.extras import needs

needs("feast")

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from colisten.errors import FeatureError, UserUnreadable
from colisten.features import names
from colisten.features.lightfeast import EntityKey, FeatureStore, Value
from colisten.features.online_rows import View, online_rows
from colisten.features.seen import read_seen
from colisten.features.users import History, UserBatch, UserFields

_TEXT, _NUMBER, _NUMBERS, _BYTES = "string_val", "float_val", "float_list_val", "bytes_val"
_HISTORY = ("string_list_val", "string_list_val", "int64_list_val")
Cells = list[Any]
"""What a store holds of one feature, per user; None where it holds nothing."""


class OnlineUsers:
    """Reads users of one specification; thread-safe where the online store is.

    Args:
        store: An open repository.
        index_of: Item ids to catalogue index, -1 where unknown.
        fields: What is read.

    Raises:
        FeatureError: No view of the store has one of the fields.
    """

    def __init__(
        self, store: FeatureStore, index_of: Callable[[Any], np.ndarray], fields: UserFields
    ) -> None:
        self._index_of = index_of
        self._fields = fields
        self._codes = {signal: code for code, signal in enumerate(fields.signals)}
        wanted = [name for name in fields.schema.names if name != "user_id"]
        self._seen_column = names.seen_column(fields.types[0]) if fields.types else ""
        views = _views(store, wanted, self._seen_column)
        self._features = [features for _, features in views]
        self._rows = online_rows(store, views)

    def rows(self, user_ids: Sequence[str]) -> dict[str, Cells]:
        """What the store has of each user, by feature, in the order of `user_ids`.

        Raises:
            Exception: Whatever Feast or the store's client raises.
        """
        keys = [
            EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=user)])
            for user in user_ids
        ]
        answers = self._rows.read(keys) if keys else [[] for _ in self._features]
        return {
            name: [None if row is None else row.get(name) for row in rows]
            for features, rows in zip(self._features, answers, strict=True)
            for name in features
        }

    def batch(self, user_ids: Sequence[str], cells: dict[str, Cells]) -> UserBatch:
        """The users of whom `cells` tells; of one without cells nothing is known.

        Raises:
            UserUnreadable: What is stored of one of them is damaged.
        """
        fields = self._fields
        further = {
            name: read(cells.get(names.profile_column(name), []), names.profile_column(name))
            for columns, read in ((fields.categories, _texts), (fields.numbers, _numbers))
            for name in columns
        }
        return UserBatch(
            user_ids=_objects(list(user_ids)),
            countries=_texts(cells.get("country", []), "country"),
            ages=_numbers(cells.get("age", []), "age"),
            music=_music(cells.get("music_vector", []), len(user_ids), fields.music_dim),
            histories={
                item_type: self._history(item_type, len(user_ids), cells)
                for item_type in fields.types
            },
            further=further,
            seen=self._seen(cells),
        )

    def _history(self, item_type: str, users: int, cells: dict[str, Cells]) -> History:
        ids, signals, times = (
            _lists(cells.get(name, [None] * users), name, kind)
            for name, kind in zip(names.history_columns(item_type), _HISTORY, strict=True)
        )
        counts = [len(events) for events in ids]
        if counts != [len(events) for events in signals] or counts != [len(one) for one in times]:
            raise UserUnreadable(
                f"The {item_type} history has rows whose ids, signals and times differ in number.",
                "The feature store is damaged; rebuild it.",
            )
        if not sum(counts):
            return History.empty(users)
        offsets = np.zeros(users + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        whole = History(
            offsets,
            np.asarray(self._index_of([item for own in ids for item in own]), dtype=np.int64),
            np.array([self._code(signal, item_type) for own in signals for signal in own], np.int8),
            np.array([time for own in times for time in own], np.int64),
        )
        known = whole.items >= 0
        return whole if known.all() else whole.where(known)

    def _seen(self, cells: dict[str, Cells]) -> np.ndarray | None:
        """What each ever had; None where the store does not keep it."""
        name = self._seen_column
        if name not in cells:
            return None
        seen = np.empty(len(cells[name]), dtype=object)
        try:
            for user, stored in enumerate(_read(cells[name], name, _BYTES)):
                seen[user] = read_seen(stored)
        except ValueError as error:
            raise UserUnreadable(
                f"What a user had is damaged: {error}.",
                "The feature store is damaged; rebuild it.",
            ) from error
        return seen

    def _code(self, signal: str, item_type: str) -> int:
        code = self._codes.get(signal)
        if code is None:
            raise UserUnreadable(
                f"The {item_type} history holds the unknown signal '{signal}'.",
                f"Signals are {', '.join(self._codes)}.",
            )
        return code


def _views(store: FeatureStore, wanted: Sequence[str], optional: str) -> list[View]:
    """Each view of the serving features that holds something wanted, and what of it."""
    service = store.get_feature_service(names.SERVING, allow_cache=True)
    views = []
    for projection in service.feature_view_projections:
        held = {field.name for field in projection.features}
        if features := tuple(name for name in (*wanted, optional) if name in held):
            view = store.get_feature_view(projection.name, allow_registry_cache=True)
            views.append((view, features))
    found = {name for _, features in views for name in features}
    if missing := [name for name in wanted if name not in found]:
        raise FeatureError(
            f"The feature repository has no {', '.join(missing)}.",
            "Build it with the settings that the release was made with.",
        )
    return views


def _read(cells: Cells, name: str, kind: str) -> list[Any]:
    """What each cell holds, None where it holds nothing; a feature has one kind of value."""
    read = []
    for cell in cells:
        holds = None if cell is None else cell.WhichOneof("val")
        if holds is not None and holds != kind and holds != "null_val":
            raise UserUnreadable(
                f"The online store holds a {holds} of '{name}', not a {kind}.",
                "Rebuild the feature store.",
            )
        read.append(getattr(cell, kind) if holds == kind else None)
    return read


def _texts(cells: Cells, name: str) -> np.ndarray:
    return _objects(_read(cells, name, _TEXT))


def _numbers(cells: Cells, name: str) -> np.ndarray:
    read = _read(cells, name, _NUMBER)
    return np.array([np.nan if number is None else number for number in read], np.float32)


def _lists(cells: Cells, name: str, kind: str) -> list[Any]:
    return [() if values is None else values.val for values in _read(cells, name, kind)]


def _music(cells: Cells, users: int, music_dim: int) -> np.ndarray:
    out = np.full((users, music_dim), np.nan, dtype=np.float32)
    if not music_dim:
        return out
    for user, vector in enumerate(_lists(cells, "music_vector", _NUMBERS)):
        if len(vector) not in (0, music_dim):
            raise UserUnreadable(
                f"A music vector is {len(vector)} long, not {music_dim}.",
                "Music vectors of one model share one length; rebuild the feature store.",
            )
        if len(vector):
            out[user] = vector
    return out


def _objects(values: list[Any]) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
