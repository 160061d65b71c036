"""Feature tables of every origin become the same arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from colisten.errors import FeatureError
from colisten.features.users import History, UserBatch, UserFields
from colisten.settings.data import DataSettings

FIELDS = UserFields.of(DataSettings(), music_dim=2)
CATALOGUE = {"a0": 0, "a1": 1, "p0": 2, "p1": 3}


def index_of(ids: list[str]) -> np.ndarray:
    return np.array([CATALOGUE.get(item, -1) for item in ids], dtype=np.int64)


def feature_table() -> pa.Table:
    return pa.table(
        {
            "user_id": ["u0", "u1", "u2"],
            "country": ["SE", None, "DE"],
            "age": pa.array([30.0, 41.0, None], pa.float32()),
            "music_vector": pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32())),
            "audiobook_item_ids": [["a1", "gone", "a0"], [], None],
            "audiobook_signals": [["stream", "follow", "preview"], [], None],
            "audiobook_times": pa.array([[10, 20, 30], [], None], pa.list_(pa.int64())),
            "podcast_item_ids": pa.array([None, ["p1"], ["p0", "p0"]], pa.list_(pa.string())),
            "podcast_signals": pa.array(
                [None, ["intent_to_pay"], ["stream", "follow"]], pa.list_(pa.string())
            ),
            "podcast_times": pa.array([None, [5], [6, 7]], pa.list_(pa.int64())),
        }
    )


def same(left: UserBatch, right: UserBatch) -> bool:
    pairs = [(left.user_ids, right.user_ids), (left.countries, right.countries)]
    equal = all(list(one) == list(other) for one, other in pairs)
    equal &= np.array_equal(left.ages, right.ages, equal_nan=True)
    equal &= np.array_equal(left.music, right.music, equal_nan=True)
    for name in left.histories:
        for field in ("offsets", "items", "signals", "times"):
            one, other = (getattr(batch.histories[name], field) for batch in (left, right))
            equal &= one.dtype == other.dtype and np.array_equal(one, other)
    return bool(equal)


def test_a_table_becomes_arrays() -> None:
    batch = UserBatch.from_table(feature_table(), index_of, FIELDS)
    assert len(batch) == 3
    assert list(batch.countries) == ["SE", None, "DE"]
    assert np.isnan(batch.ages).tolist() == [False, False, True]
    assert batch.music[0].tolist() == [1.0, 2.0]
    assert np.isnan(batch.music[1]).all()
    books = batch.histories["audiobook"]
    assert books.offsets.tolist() == [0, 2, 2, 2]
    assert books.items.tolist() == [1, 0]
    assert books.signals.tolist() == [0, 2]
    assert books.times.tolist() == [10, 30]
    podcasts = batch.histories["podcast"]
    assert podcasts.offsets.tolist() == [0, 0, 1, 3]
    assert podcasts.items.tolist() == [3, 2, 2]
    assert podcasts.signals.dtype == np.int8


@pytest.mark.parametrize("row", [0, 1, 2])
def test_one_row_reads_as_the_same_row_of_many(row: int) -> None:
    batch = UserBatch.from_table(feature_table(), index_of, FIELDS)
    alone = UserBatch.from_table(feature_table().slice(row, 1), index_of, FIELDS)
    assert same(alone, batch.take([row]))


def test_chunks_and_null_typed_columns_read_alike() -> None:
    table = feature_table()
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1, 2)])
    whole = UserBatch.from_table(table, index_of, FIELDS)
    assert same(UserBatch.from_table(chunked, index_of, FIELDS), whole)
    nulls = table.slice(1, 1)
    for name in ("country", "age", "music_vector"):
        nulls = nulls.set_column(nulls.column_names.index(name), name, pa.nulls(1))
    read = UserBatch.from_table(nulls, index_of, FIELDS)
    assert read.countries[0] is None
    assert np.isnan(read.ages[0])
    assert np.isnan(read.music).all()


def test_take_repeats_and_reorders() -> None:
    batch = UserBatch.from_table(feature_table(), index_of, FIELDS)
    taken = batch.take([2, 0, 2])
    assert list(taken.user_ids) == ["u2", "u0", "u2"]
    assert taken.histories["podcast"].times.tolist() == [6, 7, 6, 7]
    assert same(taken.take([1]), batch.take([0]))
    assert len(batch.take([])) == 0


def test_no_music_asks_for_no_music_column() -> None:
    batch = UserBatch.from_table(
        feature_table().drop(["music_vector"]), index_of, replace(FIELDS, music_dim=0)
    )
    assert batch.music.shape == (3, 0)


def test_empty_history() -> None:
    empty = History.empty(3)
    assert len(empty) == 3
    assert empty.counts.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("country", None, "no column 'country'"),
        ("audiobook_signals", [["stream"] * 3, ["stream"], None], "differ in number"),
        ("audiobook_signals", [["stream", "liked", "stream"], [], None], "unknown signal 'liked'"),
        ("music_vector", [[1.0], None, [3.0, 4.0]], "not 2 long"),
    ],
)
def test_a_damaged_table_is_refused(column: str, value: list[object] | None, words: str) -> None:
    table = feature_table()
    at = table.column_names.index(column)
    if value is None:
        table = table.remove_column(at)
    else:
        table = table.set_column(at, column, pa.array(value, table.schema.field(column).type))
    with pytest.raises(FeatureError, match=words):
        UserBatch.from_table(table, index_of, FIELDS)
