"""A repository is built, filled and rebuilt while it is being served."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from colisten.data.catalogue import Catalogue
from colisten.errors import FeatureError
from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.features import names
from colisten.features.store import (
    OnlineFeatures,
    music_dim,
    open_store,
    training_rows,
    user_rows,
)
from colisten.features.users import UserBatch, UserFields
from colisten.files import file_digest
from colisten.settings.data import DataSettings
from colisten.settings.tree import Settings
from tests.conftest import CUT, FIELDS, ITEM_TYPES, START

HALF = START + timedelta(days=90)


@pytest.fixture(scope="module")
def folder(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("repo") / "features"
    vectors = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    built = build_feature_repo(tiny_history, out, as_of=CUT, text_vectors=vectors)
    assert built == out.resolve()
    materialize(out, as_of=CUT)
    return out


def test_every_definition_is_registered(folder: Path) -> None:
    store = open_store(folder)
    assert {entity.name for entity in store.list_entities()} >= {"user", "item"}
    assert {view.name: view.online for view in store.list_feature_views()} == {
        names.ITEM_METADATA: True,
        names.ITEM_TEXT: False,
        names.USER_PROFILE: True,
        names.USER_MUSIC: True,
        **{names.history_view(item_type): True for item_type in ITEM_TYPES},
        names.seen_view("audiobook"): True,
        names.USER_EVENT_IDS: True,
    }
    services = {service.name: service for service in store.list_feature_services()}
    assert set(services) == {names.TRAINING, names.SERVING, names.ITEMS}
    read = [
        sorted(view.name for view in services[name].feature_view_projections)
        for name in (names.TRAINING, names.SERVING)
    ]
    # What somebody ever had is for the shelf: no model learns from it.
    assert read[1] == sorted([*read[0], names.seen_view("audiobook")])
    assert not [path for path in folder.iterdir() if path.name.endswith((".partial", ".online"))]


def test_items_are_answered_online_and_text_vectors_offline(
    folder: Path, tiny_history: Path
) -> None:
    store = open_store(folder)
    items = pq.read_table(tiny_history / "items.parquet")
    answer = store.get_online_features(
        features=store.get_feature_service(names.ITEMS),
        entity_rows=[{"item_id": "p003"}, {"item_id": "none"}],
    ).to_dict()
    at = items.column("item_id").to_pylist().index("p003")
    for name in ("item_type", "title", "description", "language", "genres"):
        assert answer[name] == [items.column(name)[at].as_py(), None]
    frame = pa.table({"item_id": ["a001"], "event_timestamp": [START]}).to_pandas()
    frame["event_timestamp"] = frame.event_timestamp.dt.tz_convert("UTC")
    rows = store.get_historical_features(
        entity_df=frame, features=[f"{names.ITEM_TEXT}:text_vector"]
    ).to_arrow()
    assert len(rows.column("text_vector")[0]) == 6


def test_an_earlier_moment_fills_an_earlier_state(
    folder: Path, tiny_history: Path, tmp_path: Path
) -> None:
    catalogue = Catalogue.read(tiny_history)
    ids = [f"u{user:04d}" for user in range(80)]
    early = build_feature_repo(tiny_history, tmp_path / "early", as_of=CUT)
    materialize(early, as_of=HALF)
    online = OnlineFeatures(early, catalogue.index_of, FIELDS).read(ids)
    rows = user_rows(open_store(folder), ids, HALF)
    offline = UserBatch.from_table(rows, catalogue.index_of, FIELDS)
    for item_type in ITEM_TYPES:
        one, other = online.histories[item_type], offline.histories[item_type]
        assert np.array_equal(one.offsets, other.offsets)
        assert np.array_equal(one.items, other.items)
        assert np.array_equal(one.times, other.times)
        assert one.times.max() < int(HALF.timestamp()) * 1_000_000


def test_users_of_long_ago_leave_the_online_store(tiny_history: Path, tmp_path: Path) -> None:
    """Who did nothing lately goes with all that is known of them; everybody else stays whole."""
    catalogue, days = Catalogue.read(tiny_history), 15
    out = build_feature_repo(tiny_history, tmp_path / "features", as_of=CUT)
    events = pq.read_table(tiny_history / "interactions.parquet")
    lately = events.filter(pc.greater_equal(events["timestamp"], CUT - timedelta(days=days)))
    active = set(lately["user_id"].to_pylist())
    ids = [f"u{user:04d}" for user in range(80)]
    assert 10 < len(active) < len(ids)
    states = []
    for keep_days in (None, days):
        materialize(out, as_of=CUT, keep_days=keep_days)
        states.append(OnlineFeatures(out, catalogue.index_of, FIELDS).read(ids))
    assert states[0].known.all()
    assert [user for user, known in zip(ids, states[1].known, strict=True) if known] == sorted(
        active
    )
    rows = np.flatnonzero(states[1].known)
    for item_type in ITEM_TYPES:
        one, other = (state.take(rows).histories[item_type] for state in states)
        assert np.array_equal(one.times, other.times)


def test_a_rebuild_serves_the_old_state_until_the_new_is_whole(
    tiny_history: Path, tmp_path: Path
) -> None:
    catalogue = Catalogue.read(tiny_history)
    out = tmp_path / "features"
    settings = Settings()
    build_feature_repo(tiny_history, out, as_of=HALF, features=settings.features)
    materialize(out, as_of=HALF)
    old = file_digest(out / names.ONLINE_FILE)
    serving = OnlineFeatures(out, catalogue.index_of, FIELDS)
    before = serving.read(["u0005"]).histories["podcast"].items

    build_feature_repo(tiny_history, out, as_of=CUT, features=settings.features)
    assert file_digest(out / names.ONLINE_FILE) == old
    anew = OnlineFeatures(out, catalogue.index_of, FIELDS)
    assert np.array_equal(anew.read(["u0005"]).histories["podcast"].items, before)

    with pytest.raises(FeatureError, match="no time zone"):
        materialize(out, as_of=datetime(2025, 1, 1))
    materialize(out, as_of=CUT)
    assert np.array_equal(serving.read(["u0005"]).histories["podcast"].items, before)
    after = OnlineFeatures(out, catalogue.index_of, FIELDS).read(["u0005"])
    assert after.histories["podcast"].items.size > before.size
    assert not list(out.glob(".*.partial*"))


def bare(history: Path, folder: Path) -> Path:
    """Items of which only id and type are known, events, and neither users nor music."""
    folder.mkdir()
    items = pq.read_table(history / "items.parquet")
    for at, field in enumerate(items.schema):
        if field.name not in ("item_id", "item_type"):
            items = items.set_column(at, field, pa.nulls(len(items), field.type))
    pq.write_table(items, folder / "items.parquet")
    pq.write_table(pq.read_table(history / "interactions.parquet"), folder / "interactions.parquet")
    return folder


def test_no_users_no_music_and_bare_items(tiny_history: Path, tmp_path: Path) -> None:
    history = bare(tiny_history, tmp_path / "history")
    out = build_feature_repo(history, tmp_path / "out", as_of=CUT)
    materialize(out, as_of=CUT)
    catalogue = Catalogue.read(history)
    store = open_store(out)
    assert music_dim(store) == 0
    ids = ["u0003", "nobody"]
    entities = pa.table(
        {
            "user_id": ids,
            "item_id": ["a000", "a000"],
            "timestamp": pa.array([CUT, CUT], pa.timestamp("us", tz="UTC")),
        }
    )
    rows = training_rows(store, entities)
    assert rows.column("country").to_pylist() == [None, None]
    assert rows.column("music_vector").to_pylist() == [None, None]
    assert len(rows.column("podcast_item_ids")[0]) > 0
    assert rows.column("podcast_item_ids")[1].as_py() == []
    answer = store.get_online_features(
        features=store.get_feature_service(names.ITEMS), entity_rows=[{"item_id": "p003"}]
    ).to_dict()
    assert answer["item_type"] == ["podcast"]
    assert answer["title"] == answer["published_at"] == answer["genres"] == [None]
    online = OnlineFeatures(out, catalogue.index_of, UserFields.of(DataSettings(), 0)).read(ids)
    assert online.known.tolist() == [True, False]
    assert online.histories["podcast"].counts[0] == len(rows.column("podcast_item_ids")[0])


def test_a_repository_without_its_registry_is_a_feature_error(
    tiny_history: Path, tmp_path: Path
) -> None:
    out = build_feature_repo(tiny_history, tmp_path / "out", as_of=CUT)
    (out / names.REGISTRY_FILE).unlink()
    for _ in range(2):  # Feast would make one in its place
        with pytest.raises(FeatureError, match="No such file"):
            open_store(out)


def test_no_repository_is_a_feature_error(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="No feature repository"):
        materialize(tmp_path, as_of=CUT)
