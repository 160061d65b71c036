"""The online store answers what the offline store would, and a pushed event is there at once."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore

from colisten.data.catalogue import Catalogue
from colisten.errors import FeatureError
from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.features import row_turns
from colisten.features.events import Event
from colisten.features.names import ONLINE_FILE
from colisten.features.store import OnlineFeatures, user_rows
from colisten.features.users import UserBatch, UserFields
from colisten.settings.sections import FeatureSettings
from colisten.settings.tree import Settings
from tests.conftest import CUT, FIELDS, ITEM_TYPES, SIGNALS
from tests.features.naive import history_of

LENGTH = 100
MINUTE = timedelta(minutes=1)


@pytest.fixture
def online(feature_folder: Path, catalogue: Catalogue) -> Iterator[OnlineFeatures]:
    """The tiny online store, put back as it was after the test."""
    kept = (feature_folder / ONLINE_FILE).read_bytes()
    yield OnlineFeatures(feature_folder, catalogue.index_of, FIELDS)
    (feature_folder / ONLINE_FILE).unlink()
    (feature_folder / ONLINE_FILE).write_bytes(kept)


@pytest.fixture(scope="session")
def everyone(tiny_history: Path) -> list[str]:
    ids: list[str] = pq.read_table(tiny_history / "users.parquet").column("user_id").to_pylist()
    return ids


def assert_same(left: UserBatch, right: UserBatch) -> None:
    assert left.user_ids.tolist() == right.user_ids.tolist()
    assert left.countries.tolist() == right.countries.tolist()
    np.testing.assert_array_equal(left.ages, right.ages)
    np.testing.assert_array_equal(left.music, right.music)
    for item_type in ITEM_TYPES:
        for name in ("offsets", "items", "signals", "times"):
            one, other = (getattr(b.histories[item_type], name) for b in (left, right))
            np.testing.assert_array_equal(one, other)


def history(online: OnlineFeatures, catalogue: Catalogue, event: Event) -> list[tuple[str, int]]:
    one = online.read([event.user_id]).histories[event.item_type]
    return list(zip(catalogue.item_ids[one.items], one.times.tolist(), strict=True))


def fresh(**change: object) -> Event:
    event = Event("u0005", "p007", "podcast", "follow", CUT + MINUTE)
    return replace(event, **change)  # type: ignore[arg-type]


def test_online_equals_offline_for_everyone(
    online: OnlineFeatures, store: FeatureStore, catalogue: Catalogue, everyone: list[str]
) -> None:
    ids = [*everyone, "nobody"]
    offline = UserBatch.from_table(user_rows(store, ids, CUT), catalogue.index_of, FIELDS)
    answered = online.read(ids)
    assert_same(answered, offline)
    assert answered.known.tolist() == [True] * len(everyone) + [False]
    assert_same(online.read(ids[40:41]), offline.take([40]))
    assert len(online.read([])) == 0
    twice = online.read(["u0007", "u0003", "u0007"])
    assert_same(twice, offline.take([7, 3, 7]))


def test_a_pushed_event_is_there_at_once_as_offline_would_have_it(
    online: OnlineFeatures, catalogue: Catalogue, tiny_history: Path
) -> None:
    events = pq.read_table(tiny_history / "interactions.parquet").to_pandas()
    # Late, in time with another, before everything, and one more for the other type.
    held = events[(events.user_id == "u0005") & (events.item_type == "podcast")].timestamp
    pushed = [
        fresh(),
        fresh(item_id="p008", timestamp=held.iloc[2].to_pydatetime()),
        fresh(item_id="p003", signal="preview", timestamp=held.iloc[-1].to_pydatetime()),
        fresh(item_id="p009", timestamp=held.iloc[0].to_pydatetime() - MINUTE),
        fresh(item_id="a001", item_type="audiobook"),
    ]
    for event in pushed:
        assert online.push(event)
        events = pd.concat([events, pd.DataFrame([vars(event)])])
        for item_type in ITEM_TYPES:
            expected = history_of(
                events, "u0005", item_type, pd.Timestamp(CUT + 2 * MINUTE), LENGTH
            )
            answered = online.read(["u0005"]).histories[item_type]
            ids, _, times = expected.values()
            assert catalogue.item_ids[answered.items].tolist() == ids
            assert answered.times.tolist() == times


def test_the_same_event_twice_is_one_event(online: OnlineFeatures, catalogue: Catalogue) -> None:
    assert online.push(fresh())
    before = history(online, catalogue, fresh())
    assert not online.push(fresh())
    assert history(online, catalogue, fresh()) == before
    assert online.push(fresh(signal="stream"))
    assert len(history(online, catalogue, fresh())) == len(before) + 1


def test_a_new_user_is_known_from_the_first_event(
    online: OnlineFeatures, catalogue: Catalogue
) -> None:
    event = fresh(user_id="newcomer")
    assert not online.read(["newcomer"]).known[0]
    assert online.push(event)
    assert online.read(["newcomer"]).known[0]
    assert history(online, catalogue, event) == [("p007", event.time)]


def test_an_item_newer_than_the_catalogue_waits_in_the_history(
    feature_folder: Path, online: OnlineFeatures, catalogue: Catalogue
) -> None:
    event = fresh(user_id="early", item_id="p999")
    assert online.push(event)
    assert history(online, catalogue, event) == []
    grown = {"p999": 100}
    index_of = lambda ids: np.array([grown.get(item, -1) for item in ids])  # noqa: E731
    later = OnlineFeatures(feature_folder, index_of, UserFields(("podcast",), SIGNALS))
    assert later.read(["early"]).histories["podcast"].items.tolist() == [100]


def test_a_refused_event_changes_nothing(online: OnlineFeatures, catalogue: Catalogue) -> None:
    before = history(online, catalogue, fresh())
    with pytest.raises(FeatureError, match=r"signal .* is unknown"):
        online.push(fresh(signal="liked"))
    assert history(online, catalogue, fresh()) == before


def test_readers_never_see_half_an_event(online: OnlineFeatures, catalogue: Catalogue) -> None:
    lengths: list[int] = []

    def push(at: int) -> bool:
        # Not before that many reads, or all events would be in before the second one.
        while len(lengths) < at:
            time.sleep(0.001)
        return online.push(fresh(item_id=f"p{at:03d}", timestamp=CUT + at * MINUTE))

    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            # A torn history would be refused: its lists differ in number.
            lengths.append(len(history(online, catalogue, fresh())))

    before = len(history(online, catalogue, fresh()))
    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        pushed = list(pool.map(push, range(20)))
        done.set()
        for reader in readers:
            reader.result()
    assert all(pushed)
    assert len(history(online, catalogue, fresh())) == before + 20
    assert len(lengths) >= 19


def test_a_type_the_repository_lacks_is_refused(feature_folder: Path) -> None:
    with pytest.raises(FeatureError, match="no histories of \\['film'\\]"):
        OnlineFeatures(feature_folder, lambda ids: np.full(len(ids), -1), UserFields(("film",)))


def short_histories(
    tiny_history: Path, folder: Path, catalogue: Catalogue, **features: Any
) -> OnlineFeatures:
    settings = Settings(features=FeatureSettings(history_length=4, **features))
    build_feature_repo(tiny_history, folder, as_of=CUT, features=settings.features)
    materialize(folder, as_of=CUT)
    return OnlineFeatures(folder, catalogue.index_of, FIELDS)


def assert_capped(online: OnlineFeatures, catalogue: Catalogue) -> None:
    before = history(online, catalogue, fresh())
    assert len(before) == 4
    assert online.push(fresh())
    assert history(online, catalogue, fresh()) == [*before[1:], ("p007", fresh().time)]
    assert not online.push(fresh(timestamp=CUT - timedelta(days=179)))
    # As late as the oldest kept one, and not the newest of the row: a store that takes only
    # newer rows must take it nevertheless.
    late = fresh(item_id="p011", timestamp=CUT + MINUTE / 2)
    assert online.push(late)
    assert history(online, catalogue, late)[-2:] == [("p011", late.time), ("p007", fresh().time)]


def test_a_history_keeps_its_length(
    tiny_history: Path, tmp_path: Path, catalogue: Catalogue
) -> None:
    assert_capped(short_histories(tiny_history, tmp_path, catalogue), catalogue)


@pytest.mark.slow
def test_redis_answers_as_sqlite_does(
    redis_address: str,
    online: OnlineFeatures,
    store: FeatureStore,
    tiny_history: Path,
    tmp_path: Path,
    catalogue: Catalogue,
    everyone: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TINY_REDIS", redis_address)
    settings = Settings(features=FeatureSettings(online_store="redis", redis="${TINY_REDIS}"))
    folder = build_feature_repo(
        tiny_history, tmp_path / "out", as_of=CUT, features=settings.features
    )
    assert redis_address not in (folder / "feature_store.yaml").read_text()
    materialize(folder, as_of=CUT)
    assert not (folder / ONLINE_FILE).exists()
    far = OnlineFeatures(folder, catalogue.index_of, FIELDS)
    ids = [*everyone, "nobody"]
    assert_same(far.read(ids), online.read(ids))
    at_once = [fresh(), fresh(item_id="p008"), fresh(user_id="newcomer")]
    late = fresh(item_id="p009", timestamp=CUT - timedelta(days=3))
    for event in [*at_once, late]:
        assert far.push(event)
        assert online.push(event)
        assert not far.push(event)
    assert_same(far.read([*ids, "newcomer"]), online.read([*ids, "newcomer"]))
    # A rebuild as of the same cut does not take back what came since.
    pushed = far.read(["u0005"])
    materialize(folder, as_of=CUT)
    assert_same(far.read(["u0005"]), pushed)


@pytest.mark.slow
def test_redis_keeps_a_history_to_its_length(
    redis_address: str, tiny_history: Path, tmp_path: Path, catalogue: Catalogue
) -> None:
    online = short_histories(
        tiny_history, tmp_path / "out", catalogue, online_store="redis", redis=redis_address
    )
    assert_capped(online, catalogue)


@pytest.mark.slow
def test_a_redis_out_of_reach_is_a_feature_error(
    tiny_history: Path, tmp_path: Path, catalogue: Catalogue
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = Settings(features=FeatureSettings(online_store="redis", redis=address))
        folder = build_feature_repo(
            tiny_history,
            tmp_path / "out",
            as_of=CUT,
            features=settings.features,
        )
        with pytest.raises(FeatureError, match="Cannot fill the online store"):
            materialize(folder, as_of=CUT)
        far = OnlineFeatures(folder, catalogue.index_of, FIELDS)
        start = time.monotonic()
        with pytest.raises(FeatureError, match="cannot answer"):
            far.read(["u0005"])
        with pytest.raises(FeatureError, match="cannot take an event"):
            far.push(fresh())
        assert time.monotonic() - start < 5


def test_a_push_that_waits_for_another_process_holds_up_no_reader(
    online: OnlineFeatures, feature_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_turns, "PATIENCE_SECONDS", 20.0)
    with closing(sqlite3.connect(feature_folder / ONLINE_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            pushed = pool.submit(online.push, fresh())
            started = time.monotonic()
            while not pushed.done() and time.monotonic() < started + 1.0:
                assert online.read(["u0006"]).known.all()
            read = time.monotonic() - started
            assert not pushed.done()
            other.execute("ROLLBACK")
            assert pushed.result(timeout=10)
    assert read < 2.0


def test_a_read_waits_no_longer_than_it_was_told(
    online: OnlineFeatures, feature_folder: Path, catalogue: Catalogue
) -> None:
    hasty = OnlineFeatures(feature_folder, catalogue.index_of, FIELDS, patience_seconds=0.05)
    with closing(sqlite3.connect(feature_folder / ONLINE_FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        with pytest.raises(FeatureError, match="cannot answer"):
            hasty.read(["u0006"])
        assert time.monotonic() - started < 4.5  # not the five seconds of old, twice
        other.execute("ROLLBACK")
    assert_same(hasty.read(["u0006"]), online.read(["u0006"]))
