"""Users read from the store's rows are those that Feast itself answers, parsed the plain way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data.catalogue import Catalogue
from colisten.errors import FeatureError, UserUnreadable
from colisten.features import names
from colisten.features.lightfeast import Value
from colisten.features.online_users import OnlineUsers
from colisten.features.repository import source_file
from colisten.features.store import OnlineFeatures
from colisten.features.users import UserBatch, UserFields
from tests.conftest import FIELDS, SIGNALS
from tests.features.test_online import assert_same

SEEN = names.seen_column(FIELDS.types[0])
USERS = [*(f"u{number:04d}" for number in range(80)), "nobody", "", "ü\0"]


def assert_alike(left: UserBatch, right: UserBatch) -> None:
    assert_same(left, right)
    assert left.seen is not None
    assert right.seen is not None
    assert [own.tolist() for own in left.seen] == [own.tolist() for own in right.seen]


def cell(**value: Any) -> Value:
    return Value(**value)


def by_feast(store: FeatureStore, catalogue: Catalogue, users: list[str]) -> UserBatch:
    """What `get_online_features` answers, by way of Arrow."""
    service = store.get_feature_service(names.SERVING)
    told = store.get_online_features(service, [{"user_id": user} for user in users]).to_dict()
    columns = {field.name: pa.array(told[field.name], field.type) for field in FIELDS.schema}
    columns[SEEN] = pa.array(told[SEEN], pa.binary())
    return UserBatch.from_table(pa.table(columns), catalogue.index_of, FIELDS)


@settings(deadline=None)
@given(users=st.lists(st.sampled_from(USERS), min_size=1, max_size=6))
def test_rows_give_the_users_that_feast_answers(
    store: FeatureStore, catalogue: Catalogue, users: list[str]
) -> None:
    rows = OnlineUsers(store, catalogue.index_of, FIELDS)
    assert_alike(rows.batch(users, rows.rows(users)), by_feast(store, catalogue, users))


def test_all_at_once_and_nobody(store: FeatureStore, catalogue: Catalogue) -> None:
    rows = OnlineUsers(store, catalogue.index_of, FIELDS)
    assert_alike(rows.batch(USERS, rows.rows(USERS)), by_feast(store, catalogue, USERS))
    assert len(rows.batch([], rows.rows([]))) == 0


def test_items_that_the_catalogue_lacks_are_left_out(store: FeatureStore) -> None:
    known = {"a001": 0, "a003": 1, "p007": 2}

    def index_of(ids: Any) -> np.ndarray:
        return np.array([known.get(item, -1) for item in ids], dtype=np.int64)

    rows = OnlineUsers(store, index_of, FIELDS)
    users = USERS[:80]
    fewer = rows.batch(users, rows.rows(users))
    source = source_file(store, store.get_feature_view(names.history_view("podcast")))
    assert pq.read_metadata(source).num_rows > 80
    for history in fewer.histories.values():
        assert len(history.items) == history.offsets[-1] == len(history.times)
        assert set(history.items.tolist()) <= {0, 1, 2}
    assert fewer.histories["podcast"].counts.sum() > 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("country", cell(int64_val=4), "int64_val of 'country'"),
        ("age", cell(string_val="4"), "string_val of 'age'"),
        ("music_vector", cell(float_list_val={"val": [1.0]}), "is 1 long, not 4"),
        ("podcast_times", cell(int64_list_val={"val": [1]}), "differ in number"),
        ("podcast_signals", cell(string_list_val={"val": ["liked"]}), "unknown signal 'liked'"),
        ("podcast_item_ids", cell(int64_list_val={"val": [1]}), "of 'podcast_item_ids'"),
        (SEEN, cell(bytes_val=b"half a hash"), "What a user had is damaged"),
    ],
)
def test_a_damaged_row_is_named(
    store: FeatureStore, catalogue: Catalogue, name: str, value: Value, said: str
) -> None:
    rows = OnlineUsers(store, catalogue.index_of, FIELDS)
    cells = rows.rows(["u0005", "nobody"])
    events = len(cells["podcast_times"][0].int64_list_val.val)
    if name == "podcast_signals":
        value = cell(string_list_val={"val": ["liked"] * events})
    assert events > 1
    with pytest.raises(UserUnreadable, match=said):
        rows.batch(["u0005", "nobody"], cells | {name: [value, None]})


def test_an_empty_value_is_nothing(store: FeatureStore, catalogue: Catalogue) -> None:
    rows = OnlineUsers(store, catalogue.index_of, FIELDS)
    cells: dict[str, list[Any]] = {
        name: [cell(), cell(null_val=0), None] for name in rows.rows(["u0005"])
    }
    assert not rows.batch(["a", "b", "c"], cells).known.any()


def test_a_field_that_no_view_has_is_named(feature_folder: Path, catalogue: Catalogue) -> None:
    fields = UserFields(("podcast",), SIGNALS, 4, categories=("plan",))
    with pytest.raises(FeatureError, match="no profile_plan"):
        OnlineFeatures(feature_folder, catalogue.index_of, fields)
