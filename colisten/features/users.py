"""What is known of a batch of users, as arrays: the one form that training and serving share.

A training table, an offline answer and an online answer carry the same columns, so
`UserBatch.from_table` reads all three and nothing downstream can tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from colisten.errors import FeatureError, UserUnreadable
from colisten.features.names import history_columns, profile_column, seen_column
from colisten.features.seen import read_seen
from colisten.settings.data import DataSettings


@dataclass(frozen=True)
class UserFields:
    """Which columns of a feature table a batch of users is read from.

    Attributes:
        types: Item types whose histories are read.
        signals: Names of the signals; one's code is its position here.
        music_dim: Length M of a music vector, 0 where there are none.
        categories: Further columns of the users table that hold texts.
        numbers: Further columns of the users table that hold numbers.
    """

    types: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    music_dim: int = 0
    categories: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: DataSettings, music_dim: int) -> UserFields:
        """The fields that settings name, the recommended type first."""
        return cls(
            (data.target_type, *data.context_types),
            data.signal_names,
            music_dim,
            data.user_categories,
            data.user_numbers,
        )

    @property
    def schema(self) -> pa.Schema:
        """The columns, each as Arrow type."""
        texts, numbers = pa.string(), pa.float32()
        columns = [("user_id", texts), ("country", texts), ("age", numbers)]
        columns += [(profile_column(name), texts) for name in self.categories]
        columns += [(profile_column(name), numbers) for name in self.numbers]
        if self.music_dim:
            columns.append(("music_vector", pa.list_(numbers)))
        for item_type in self.types:
            kinds = (texts, texts, pa.int64())
            columns += [
                (name, pa.list_(kind))
                for name, kind in zip(history_columns(item_type), kinds, strict=True)
            ]
        return pa.schema(columns)


@dataclass(frozen=True, eq=False)
class History:
    """Events of B users on items of one type, oldest first.

    User `b` has the events `offsets[b]:offsets[b + 1]`.

    Attributes:
        offsets: int64 [B + 1], from 0 to n.
        items: int64 [n], index in the catalogue.
        signals: int8 [n], position in the `signals` of the fields that were read.
        times: int64 [n], microseconds since 1970 UTC.
    """

    offsets: np.ndarray
    items: np.ndarray
    signals: np.ndarray
    times: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> np.ndarray:
        """Events of each user, int64 [B]."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> History:
        """The histories of some users, in the order of `rows` (int64 [R])."""
        counts = self.counts[rows]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        shift = np.repeat(self.offsets[:-1][rows] - offsets[:-1], counts)
        events = np.arange(offsets[-1], dtype=np.int64) + shift
        return History(offsets, self.items[events], self.signals[events], self.times[events])

    def where(self, kept: np.ndarray) -> History:
        """The same users with some of their events, bool [n]."""
        owner = np.repeat(np.arange(len(self)), self.counts)
        counts = np.bincount(owner[kept], minlength=len(self))
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        return History(offsets, self.items[kept], self.signals[kept], self.times[kept])

    @classmethod
    def joined(cls, histories: Sequence[History]) -> History:
        """The users of several, one after the other."""
        counts = np.concatenate([one.counts for one in histories])
        return cls(
            np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)]),
            np.concatenate([one.items for one in histories]),
            np.concatenate([one.signals for one in histories]),
            np.concatenate([one.times for one in histories]),
        )

    @classmethod
    def empty(cls, users: int) -> History:
        """`users` users without an event."""
        none = np.zeros(0, np.int64)
        return cls(np.zeros(users + 1, np.int64), none, none.astype(np.int8), none)


@dataclass(frozen=True, eq=False)
class UserBatch:
    """B users, or B moments of users.

    Attributes:
        user_ids: object [B].
        countries: object [B]; None where unknown.
        ages: float32 [B], years; nan where unknown.
        music: float32 [B, M]; a row of nan where unknown; M may be 0.
        histories: one `History` of B users per item type.
        further: Columns of the users table beyond these, by name: object [B] of texts, None where
            unknown, or float32 [B], nan where unknown. One that is not here is known of nobody.
        seen: object [B] of what each ever started of the recommended type, as sorted hashes
            uint64 (`colisten.features.seen`); None where only the histories tell.
    """

    user_ids: np.ndarray
    countries: np.ndarray
    ages: np.ndarray
    music: np.ndarray
    histories: dict[str, History]
    further: dict[str, np.ndarray] = field(default_factory=dict)
    seen: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def known(self) -> np.ndarray:
        """Whether anything at all is known of a user, bool [B]."""
        known = np.array([country is not None for country in self.countries], dtype=bool)
        known |= np.isfinite(self.ages) | np.isfinite(self.music).any(axis=1)
        for values in self.further.values():
            known |= ~pd.isna(values)
        for history in self.histories.values():
            known |= history.counts > 0
        return known

    def take(self, rows: Sequence[int] | np.ndarray) -> UserBatch:
        """The users at some rows, in that order; `rows` are integers [R], repeats allowed."""
        at = np.asarray(rows, dtype=np.int64)
        return UserBatch(
            self.user_ids[at],
            self.countries[at],
            self.ages[at],
            self.music[at],
            {name: history.take(at) for name, history in self.histories.items()},
            {name: values[at] for name, values in self.further.items()},
            None if self.seen is None else self.seen[at],
        )

    @classmethod
    def joined(cls, batches: Sequence[UserBatch]) -> UserBatch:
        """The users of several batches that were read by the same fields, one after the other.

        What is further known or seen of some and not of all is known of none.
        """
        first = batches[0]
        further = set(first.further).intersection(*(one.further for one in batches))
        seen = [one.seen for one in batches if one.seen is not None]
        return cls(
            np.concatenate([one.user_ids for one in batches]),
            np.concatenate([one.countries for one in batches]),
            np.concatenate([one.ages for one in batches]),
            np.concatenate([one.music for one in batches]),
            {
                name: History.joined([one.histories[name] for one in batches])
                for name in first.histories
            },
            {name: np.concatenate([one.further[name] for one in batches]) for name in further},
            np.concatenate(seen) if len(seen) == len(batches) else None,
        )

    @classmethod
    def from_table(
        cls,
        table: pa.Table,
        index_of: Callable[[Any], np.ndarray],
        fields: UserFields,
    ) -> UserBatch:
        """Read the feature columns of a training table, an offline or an online answer.

        Args:
            table: Columns user_id, country, age, music_vector (a list; not looked at where
                there are none), further ones named by `profile_column`, and per type those of
                `history_columns` (lists of equal length, oldest first; a null list has no event).
                That of `seen_column`, of the first type, may be missing.
            index_of: Item ids to catalogue index, -1 where unknown; `Catalogue.index_of`.
                Events of unknown items are dropped.
            fields: What is read.

        Raises:
            UserUnreadable: Lists of one row differ in length, a signal is unknown or a music
                vector has another length than `fields.music_dim`.
            FeatureError: A column is missing.
        """
        return cls(
            user_ids=_objects(_column(table, "user_id")),
            countries=_objects(_column(table, "country")),
            ages=_floats(_column(table, "age")),
            music=_music(table, fields.music_dim),
            histories={
                name: _history(table, name, index_of, fields.signals) for name in fields.types
            },
            further={
                name: read(_column(table, profile_column(name)))
                for names, read in ((fields.categories, _objects), (fields.numbers, _floats))
                for name in names
            },
            seen=_seen(table, fields),
        )


def nobody(fields: UserFields) -> UserBatch:
    """A user of whom nothing is known, as a batch of one."""
    return UserBatch(
        user_ids=np.array([None], dtype=object),
        countries=np.array([None], dtype=object),
        ages=np.full(1, np.nan, np.float32),
        music=np.full((1, fields.music_dim), np.nan, np.float32),
        histories={name: History.empty(1) for name in fields.types},
    )


def _column(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        raise FeatureError(
            f"The feature table has no column '{name}'; it has {table.column_names}.",
            "Read it with colisten.features.store.",
        )
    chunked = table.column(name)
    return chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()


def _objects(column: pa.Array) -> np.ndarray:
    out = np.empty(len(column), dtype=object)
    out[:] = column.to_pylist()
    return out


def _seen(table: pa.Table, fields: UserFields) -> np.ndarray | None:
    name = seen_column(fields.types[0]) if fields.types else ""
    if name not in table.column_names:
        return None
    out = np.empty(len(table), dtype=object)
    for row, stored in enumerate(table.column(name).to_pylist()):
        try:
            out[row] = read_seen(stored)
        except ValueError as error:
            raise UserUnreadable(
                f"What the user in row {row} had is damaged: {error}.",
                "The feature store is damaged; rebuild it.",
            ) from error
    return out


def _floats(column: pa.Array) -> np.ndarray:
    filled = pc.fill_null(column.cast(pa.float32()), float("nan"))
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.float32)


def _lists(column: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """Offsets int64 [B + 1] and the flat values of a list column; a null list is empty."""
    if pa.types.is_null(column.type):
        return np.zeros(len(column) + 1, np.int64), column.slice(0, 0)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    return offsets, pc.list_flatten(column)


def _music(table: pa.Table, music_dim: int) -> np.ndarray:
    out = np.full((len(table), music_dim), np.nan, dtype=np.float32)
    if music_dim == 0:
        return out
    offsets, values = _lists(_column(table, "music_vector"))
    lengths = np.diff(offsets)
    wrong = np.flatnonzero((lengths != 0) & (lengths != music_dim))
    if wrong.size:
        raise UserUnreadable(
            f"{wrong.size} music vectors are not {music_dim} long; the first is "
            f"{lengths[wrong[0]]} long, in row {wrong[0]}.",
            "Music vectors of one model share one length; rebuild the feature store.",
        )
    known = lengths > 0
    if known.any():
        out[known] = _floats(values).reshape(-1, music_dim)
    return out


def _history(
    table: pa.Table,
    item_type: str,
    index_of: Callable[[Any], np.ndarray],
    known_signals: tuple[str, ...],
) -> History:
    columns = (_lists(_column(table, name)) for name in history_columns(item_type))
    (offsets, ids), (signal_offsets, signal_names), (time_offsets, moments) = columns
    if not (np.array_equal(offsets, signal_offsets) and np.array_equal(offsets, time_offsets)):
        raise UserUnreadable(
            f"The {item_type} history has rows whose ids, signals and times differ in number.",
            "The feature store is damaged; rebuild it.",
        )
    if not len(ids):
        return History.empty(len(table))
    # A catalogue is looked up once per distinct id, not once per event.
    coded = ids.dictionary_encode()
    positions = np.asarray(index_of(coded.dictionary.to_pylist()), dtype=np.int64)
    items = positions[coded.indices.to_numpy(zero_copy_only=False)]
    signals = _signals(signal_names, item_type, known_signals)
    times = moments.cast(pa.int64()).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    known = items >= 0
    if not known.all():
        known_before = np.concatenate([np.zeros(1, np.int64), np.cumsum(known, dtype=np.int64)])
        offsets = known_before[offsets]
        items, signals, times = items[known], signals[known], times[known]
    return History(offsets, items, signals, times)


def _signals(names: pa.Array, item_type: str, known: tuple[str, ...]) -> np.ndarray:
    codes = pc.index_in(names.cast(pa.string()), value_set=pa.array(known, pa.string()))
    if codes.null_count:
        first = pc.filter(names, pc.is_null(codes))[0]
        raise UserUnreadable(
            f"The {item_type} history holds the unknown signal '{first}'.",
            f"Signals are {', '.join(known)}.",
        )
    return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int8)
