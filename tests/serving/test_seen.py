"""What a user had comes back on no rung, however little the model's history holds of it.

Real parts: the runtime, Feast on SQLite, a published release, exact search.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import colisten
from colisten.features.names import REGISTRY_FILE
from colisten.features.seen import id_hashes
from colisten.features.users import UserBatch
from colisten.index import ExactIndex
from colisten.serving.environment import Environment
from colisten.serving.requests import EventRequest, RecommendRequest
from colisten.serving.runtime import Runtime
from colisten.serving.seen_memory import SeenMemory
from colisten.settings.sections import FeatureSettings
from colisten.settings.tree import load_settings
from tests.conftest import CUT
from tests.feature_folders import live_features, online_db, simple_release
from tests.release.payloads import make_parts

PATIENT = (
    "index.backend=exact",
    "serving.features_budget_ms=30000",
    "serving.search_budget_ms=30000",
    "serving.rest_seconds=0.01",
)
SHORT = 3
USERS = [f"u{at:04d}" for at in range(0, 80, 3)]


def make_home(history: Path, folder: Path, **features: Any) -> Path:
    """A live release on exact search, and a feature store of some settings."""
    out = folder / "out"
    settings = FeatureSettings(**features)
    parts, index = (
        make_parts(folder / "parts", history, CUT),
        ExactIndex(out / "index" / "exact"),
    )

    def payload(digest: str) -> Path:
        return parts.payload(folder / "payload", features=digest)

    simple_release(out, history, payload, index, as_of=CUT, features=settings)
    return out


@pytest.fixture
def home(tiny_history: Path, tmp_path: Path) -> Path:
    return make_home(tiny_history, tmp_path, history_length=SHORT)


@contextmanager
def serving(home: Path) -> Iterator[Runtime]:
    runtime = Runtime.open(Environment(home, load_settings(None, PATIENT)))
    try:
        yield runtime
    finally:
        runtime.close()


@pytest.fixture(scope="module")
def started(tiny_history: Path) -> dict[str, set[str]]:
    """Who had which audiobooks by the cut."""
    events = pq.read_table(tiny_history / "interactions.parquet").to_pandas()
    starts = events[
        (events.item_type == "audiobook") & (events.signal == "stream") & (events.timestamp < CUT)
    ]
    had: dict[str, set[str]] = starts.groupby("user_id").item_id.agg(set).to_dict()
    assert max(len(had.get(user, ())) for user in USERS) > SHORT
    return had


def shelf(runtime: Runtime, user_id: str) -> tuple[str, set[str]]:
    """The first fallback, if any, and every title that the service would show."""
    answer = runtime.recommend(RecommendRequest(user_id=user_id, k=100))
    fallbacks = [*answer.how.fallbacks, answer.how.vector]
    return fallbacks[0], {item.item_id for item in answer.items}


def send(runtime: Runtime, user_id: str, item_id: str, signal: str, at: datetime) -> None:
    event = EventRequest(
        user_id=user_id, item_id=item_id, item_type="audiobook", signal=signal, timestamp=at
    )
    assert runtime.push(event).new


def test_what_a_user_had_comes_back_on_no_rung(
    home: Path, started: dict[str, set[str]], tiny_history: Path
) -> None:
    catalogue = set(
        pq.read_table(tiny_history / "items.parquet", filters=[("item_type", "=", "audiobook")])
        .column("item_id")
        .to_pylist()
    )
    asker = USERS[0]
    with serving(home) as runtime:
        for user in USERS:
            assert shelf(runtime, user) == ("two_tower", catalogue - started.get(user, set()))
        # All but six, and then as many previews as push every stream out of the history.
        fresh = sorted(catalogue - started.get(asker, set()))[6:]
        for at, item in enumerate(fresh):
            send(runtime, asker, item, "stream", CUT + timedelta(minutes=at + 1))
        left = catalogue - started.get(asker, set()) - set(fresh)
        for at, item in enumerate(sorted(left)):
            send(runtime, asker, item, "preview", CUT + timedelta(days=1, minutes=at))
        assert shelf(runtime, asker) == ("two_tower", left)
        release = colisten.load_release(home)
        assert {each.item_id for each in release.recommend(asker, k=100)} == left
        [mine] = release.shelves([asker], k=100)
        assert {each.item_id for each in mine.items} == left

        # The store is lost while the service runs: the worker remembers what it read.
        online = online_db(live_features(home))
        online.rename(home / "lost.db")
        online.write_bytes(b"no database")
        runtime._watcher.current.features.look()  # type: ignore[union-attr]
        rung, shown = shelf(runtime, asker)
        assert rung.startswith("features_")
        assert shown == left
        for user in USERS:
            assert shelf(runtime, user)[1] == catalogue - started.get(user, set()) - (
                set(fresh) if user == asker else set()
            )

    # A worker that has never seen the store knows what the release knows.
    for broken in (REGISTRY_FILE, ""):
        lost = live_features(home) / broken
        shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
        with serving(home) as runtime:
            for user in USERS:
                rung, shown = shelf(runtime, user)
                assert rung.startswith("features_")
                assert shown == catalogue - started.get(user, set())
            assert shelf(runtime, "nobody")[1] == catalogue


def test_a_worker_remembers_its_latest_users() -> None:
    def user(*ids: str) -> UserBatch:
        nothing = np.full(1, None, object)
        seen = np.empty(1, object)
        seen[0] = np.sort(id_hashes(ids))
        ages = np.full(1, np.nan, np.float32)
        return UserBatch(nothing, nothing, ages, np.zeros((1, 0), np.float32), {}, seen=seen)

    memory = SeenMemory(users=2)
    for name in "abca":
        memory.note(name, user(name, "x"))
    assert memory.of("a").tolist() == np.sort(id_hashes(["a", "x"])).tolist()
    assert memory.of("b").tolist() == []
    assert len(memory.of("c")) == 2
    memory.note("c", user())
    assert len(memory.of("c")) == 2
