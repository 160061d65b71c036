"""The Feast client: training rows from the offline store, users and events from the online one."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data.duckdb_connection import default_ibis_backend
from colisten.data.moments import microseconds
from colisten.errors import ColistenError, FeatureError, FeaturesRefused
from colisten.features import names
from colisten.features.events import Event
from colisten.features.lightfeast import FeatureStore, String
from colisten.features.online_users import OnlineUsers
from colisten.features.online_writer import OnlineWriter, damaged_row
from colisten.features.repository import (
    Digests,
    RepositoryFiles,
    key_space_of,
    online_file,
    source_digest,
    source_file,
)
from colisten.features.transform import UserFeatureSpec
from colisten.features.users import UserBatch, UserFields
from colisten.json_files import parse_json
from colisten.progress import track

_MOMENT = pa.timestamp("us", tz="UTC")
_STRINGS = pa.list_(pa.string())
_ROW = "colisten_row"
_NOBODY = "nobody (is the store well?)"
# A point-in-time join pairs every row asked for with all earlier rows of its user before it
# keeps the newest, lists included; asking for users in blocks bounds that.
_BLOCK_ROWS = 10_000


def open_store(folder: Path, bound: Digests | None = None) -> FeatureStore:
    """Open the repository that `colisten.feature_repo.repo.build_feature_repo` made at `folder`.

    Args:
        folder: Of the repository.
        bound: Digests that its files and sources must have, where somebody knows them.

    Raises:
        FeaturesRefused: Its files hold code, or are not those of `bound`.
        FeatureError: There is none, it lacks a source, or Feast cannot read it.
    """
    files = RepositoryFiles.read(folder)
    files.check(bound)
    store = open_files(files)
    wanted = None if bound is None else bound.get(names.SOURCES)
    if wanted is not None and source_digest(folder) not in wanted:
        raise FeaturesRefused(
            f"{folder / names.SOURCES} holds other sources than the release was made with.",
            "Build them again: `colisten run` does.",
        )
    return store


def open_files(files: RepositoryFiles) -> FeatureStore:
    """A store over what was read of a repository, and over its sources.

    Raises:
        FeaturesRefused: The files hold code.
        FeatureError: It lacks a source, or Feast cannot read it.
    """
    store = files.open()
    # Feast's DuckDB store casts moments to wall time of the session, which must be UTC.
    default_ibis_backend().raw_sql("SET TimeZone = 'UTC'")
    for view in store.list_feature_views(allow_cache=True):
        source = source_file(store, view)
        if not source.exists():
            raise FeatureError(
                f"The feature repository at {files.folder} reads {source}, which does not exist.",
                "Copy a repository whole, or build it again: `colisten run` does.",
            )
    return store


def open_online(folder: Path, bound: Digests | None = None) -> FeatureStore:
    """Open a repository for its online store alone, wherever it lies now.

    The sources, which nothing online reads, may be missing.

    Args:
        folder: Of the repository.
        bound: Digests that its files must have, where somebody knows them.

    Raises:
        FeaturesRefused: Its files hold code, or are not those of `bound`.
        FeatureError: There is none, or Feast cannot read it.
    """
    files = RepositoryFiles.read(folder)
    files.check(bound)
    return files.open()


def history_types(store: FeatureStore) -> tuple[str, ...]:
    """Item types whose histories the store keeps, sorted."""
    tagged = (view.tags.get(names.TYPE_TAG) for view in store.list_feature_views(allow_cache=True))
    return tuple(sorted(item_type for item_type in tagged if item_type))


def history_signals(store: FeatureStore) -> tuple[str, ...]:
    """Signals that its histories may hold, in the order of their codes."""
    return tuple(parse_json(_history_tags(store, history_types(store)[0])[names.SIGNALS_TAG]))


def music_dim(store: FeatureStore) -> int:
    """Length of a music vector in the store; 0 where it has none."""
    view = store.get_feature_view(names.USER_MUSIC, allow_registry_cache=True)
    return int(view.tags[names.MUSIC_DIM_TAG])


def _history_tags(store: FeatureStore, item_type: str) -> dict[str, str]:
    view = store.get_feature_view(names.history_view(item_type), allow_registry_cache=True)
    return dict(view.tags)


def training_rows(store: FeatureStore, entities: pa.Table) -> pa.Table:
    """What was known of each user strictly before each moment.

    Args:
        entities: Columns user_id, item_id and timestamp (with a zone); other columns are kept.

    Returns:
        `entities` in its order, with the profile (country, age and what `data.user_features` adds)
        and music_vector (null where unknown), and per item type its `history_columns` (never
        null).

    Raises:
        FeatureError: A column is missing, a moment has no zone, or the store cannot answer.
    """
    for column in ("user_id", "item_id", "timestamp"):
        if column not in entities.column_names:
            raise FeatureError(f"Entities have no column '{column}'.")
    kind = entities.schema.field("timestamp").type
    if not pa.types.is_timestamp(kind) or kind.tz is None:
        raise FeatureError(f"Entities' timestamp is {kind}, without a time zone.", "Pass UTC.")
    moments = entities.column("timestamp").cast(_MOMENT).cast(pa.int64())
    features = _features(store, entities.column("user_id"), moments.to_numpy() - 1)
    out = entities
    for name in features.column_names:
        out = out.append_column(name, features.column(name))
    return out


def user_rows(store: FeatureStore, user_ids: Sequence[str], as_of: datetime) -> pa.Table:
    """What was known of users strictly before one moment, from the offline store.

    Returns:
        One row per id, in order: user_id and the feature columns of `training_rows`.

    Raises:
        FeatureError: `as_of` has no zone or the store cannot answer.
    """
    if as_of.tzinfo is None:
        raise FeatureError(f"The moment {as_of} has no time zone.", "Pass a UTC datetime.")
    ids = pa.chunked_array([pa.array(list(user_ids), pa.string())])
    last = microseconds(as_of) - 1
    features = _features(store, ids, np.full(len(ids), last, dtype=np.int64))
    return features.add_column(0, "user_id", ids)


def users_as_of(
    store: FeatureStore,
    user_ids: Sequence[str],
    as_of: datetime,
    index_of: Callable[[Any], np.ndarray],
    spec: UserFeatureSpec,
) -> UserBatch:
    """`user_rows` in the form that a tower of this specification reads.

    Args:
        store: An open repository.
        user_ids: Users, in the order wanted.
        as_of: Only what was known strictly before it.
        index_of: Item ids to catalogue index; `Catalogue.index_of`.
        spec: Which item types and how long a music vector.

    Raises:
        FeatureError: As `user_rows` and `UserBatch.from_table`.
    """
    rows = user_rows(store, user_ids, as_of)
    return UserBatch.from_table(rows, index_of, spec.fields)


def _features(store: FeatureStore, users: pa.ChunkedArray, moments: np.ndarray) -> pa.Table:
    """Feature columns as of `moments` (inclusive, int64 [n] microseconds), one row per pair."""
    columns = _schema(store)
    if not len(users):
        return columns.empty_table()
    coded = users.cast(pa.string()).combine_chunks().dictionary_encode()
    rank = np.empty(len(coded.dictionary), dtype=np.int64)
    rank[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(rank))
    user = rank[coded.indices.to_numpy()]
    order = np.lexsort((moments, user))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(user[order]) != 0) | (np.diff(moments[order]) != 0)
    asked = order[new]
    answer_of = np.empty(len(order), dtype=np.int64)
    answer_of[order] = np.cumsum(new) - 1
    starts = range(0, len(asked), _BLOCK_ROWS)
    ids = users.combine_chunks()
    answers = []
    for start in track(starts, "training rows"):
        rows = asked[start : start + _BLOCK_ROWS]
        answers.append(_ask(store, ids.take(pa.array(rows)), moments[rows], columns))
    return pa.concat_tables(answers).take(pa.array(answer_of))


def _ask(store: FeatureStore, users: pa.Array, moments: np.ndarray, columns: pa.Schema) -> pa.Table:
    frame = pd.DataFrame(
        {
            "user_id": users.to_pandas(),
            names.TIMESTAMP: pd.DatetimeIndex(moments.astype("datetime64[us]"), tz="UTC"),
            _ROW: np.arange(len(moments)),
        }
    )
    try:
        service = store.get_feature_service(names.TRAINING, allow_cache=True)
        answer = store.get_historical_features(entity_df=frame, features=service).to_arrow()
    except Exception as error:
        raise FeatureError(f"The offline store cannot answer: {error}.") from error
    if len(answer) != len(frame):
        raise FeatureError(
            f"The offline store answered {len(answer)} rows to {len(frame)} questions.",
            "A source has two rows of one user and moment; rebuild the feature repository.",
        )
    answer = answer.sort_by(_ROW).select(columns.names).cast(columns)
    for item_type in history_types(store):
        for name in names.history_columns(item_type):
            at = columns.get_field_index(name)
            answer = answer.set_column(at, name, _empty_for_null(answer.column(at)))
    return answer


def _empty_for_null(column: pa.ChunkedArray) -> pa.Array:
    lists = column.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pc.list_flatten(lists))


def _schema(store: FeatureStore) -> pa.Schema:
    profile = store.get_feature_view(names.USER_PROFILE, allow_registry_cache=True)
    fields = [
        pa.field(field.name, pa.string() if field.dtype == String else pa.float32())
        for field in profile.features
    ]
    fields.append(pa.field("music_vector", pa.list_(pa.float32())))
    for item_type in history_types(store):
        ids, signals, times = names.history_columns(item_type)
        fields += [pa.field(ids, _STRINGS), pa.field(signals, _STRINGS)]
        fields.append(pa.field(times, pa.list_(pa.int64())))
    return pa.schema(fields)


class OnlineFeatures:
    """Users as they are now, and fresh events into their histories.

    One warm Feast store; safe to share between threads. Events may be pushed by any number of
    processes at once, of one user too: see `OnlineWriter`.

    Args:
        folder: Folder of the feature repository.
        catalogue_index_of: Item ids to catalogue index, -1 where unknown.
        fields: What `read` answers.
        bound: Digests that the repository's files must have, where somebody knows them.
        patience_seconds: How long a read waits for a writer who has the SQLite file to itself.

    Attributes:
        types: Item types that it keeps histories of.
        signals: Signals that these may hold.
        history_length: Most events of each.
        bounded: Whether a read keeps to `patience_seconds` by itself.
        online_file: Where SQLite keeps the rows; None where a server does.
        key_space: What tells those rows from others.

    Raises:
        FeaturesRefused: Its files hold code, or are not those of `bound`.
        FeatureError: The repository cannot be opened or keeps no history of a type.
    """

    def __init__(
        self,
        folder: Path,
        catalogue_index_of: Callable[[Any], np.ndarray],
        fields: UserFields,
        *,
        bound: Digests | None = None,
        patience_seconds: float = 5.0,
    ) -> None:
        files = RepositoryFiles.read(folder)
        files.check(bound)
        self._store = files.open()
        self.online_file = online_file(self._store)
        self.key_space = key_space_of(self._store)
        self.types = history_types(self._store)
        self.signals = history_signals(self._store)
        tags = _history_tags(self._store, self.types[0])
        self.history_length = int(tags[names.HISTORY_LENGTH_TAG])
        if missing := [item_type for item_type in fields.types if item_type not in self.types]:
            raise FeatureError(f"The feature repository at {folder} has no histories of {missing}.")
        self._users = OnlineUsers(self._store, catalogue_index_of, fields)
        # SQLite's writer waits for other processes, and readers on its connection would wait with
        # it, or see ids of one event and times of another: Feast writes feature by feature. On a
        # connection of their own they see whole transactions. Redis takes a row as one command,
        # and a slow one must not hold up other readers.
        self.bounded = self._store.config.online_store.type == "sqlite"
        self._using: AbstractContextManager[Any] = nullcontext()
        own = files.open() if self.bounded else self._store
        self._writer = OnlineWriter(own, catalogue_index_of)
        if self.bounded:
            self._using = threading.Lock()
            _wait_no_longer(self._store, patience_seconds)

    def read(self, user_ids: Sequence[str]) -> UserBatch:
        """The users as of now, in order; `UserBatch.known` tells of whom anything is known.

        Raises:
            UserUnreadable: What is stored of one of them is damaged.
            FeatureError: The online store is out of reach.
        """
        try:
            with self._using:
                rows = self._users.rows(user_ids)
            return self._users.batch(user_ids, rows)
        except ColistenError:
            raise
        except Exception as error:
            raise self._fault(error) from error

    def push(self, event: Event) -> bool:
        """Put one event into its user's online history; the next `read` sees it.

        Returns:
            False where there was nothing to write: it was stored before, or is older than all
            that is kept.

        Raises:
            EventRefused: The event fits no history.
            UserUnreadable, UserBusy, FeatureError: As `OnlineWriter.append`.
        """
        event.check(self.types, self.signals)
        return self._writer.append(event)

    def _fault(self, error: Exception) -> FeatureError:
        """What a failed read means: a damaged row where the store answers for nobody else's."""
        # A cursor that such a frame still holds keeps SQLite's file locked.
        traceback.clear_frames(error.__traceback__)
        try:
            with self._using:
                self._users.rows([_NOBODY])
        except Exception:
            return FeatureError(f"The online store cannot answer: {error}.")
        return damaged_row(error)


def _wait_no_longer(store: FeatureStore, seconds: float) -> None:
    try:
        connection = store.provider.online_store._get_conn(store.config)
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")
    except Exception as error:
        raise FeatureError(f"The online store cannot be opened: {error}.") from error
