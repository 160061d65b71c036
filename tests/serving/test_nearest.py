"""A shelf is what the plain slow computation gives: row by row, title by title, word by word."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colisten.features import names
from colisten.features.store import open_store
from colisten.features.transform import encode_users
from colisten.features.users import UserBatch
from colisten.index import pruned
from colisten.release.loaded import LoadedRelease
from colisten.serving import nearest
from colisten.serving.answers import Shelf
from colisten.serving.environment import Environment
from colisten.serving.requests import RecommendRequest
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from tests.feature_folders import live_features
from tests.serving.conftest import Home

SETTINGS = load_settings(
    None,
    (
        "index.backend=exact",
        "serving.features_budget_ms=20000",
        "serving.search_budget_ms=20000",
        "serving.follow_seconds=60",
    ),
)
USERS = [f"u{number:04d}" for number in range(80)]
ITEMS = [f"a{number:03d}" for number in range(40)]
CLOSE = 1e-6


class Plainly:
    """Feast's own answer through Arrow, every score by itself, every reason by itself."""

    def __init__(self, home: Path, release: LoadedRelease) -> None:
        self.release, self.store = release, open_store(live_features(home))
        self.service = self.store.get_feature_service(names.SERVING)

    def user(self, user_id: str) -> UserBatch:
        told = self.store.get_online_features(self.service, [{"user_id": user_id}]).to_dict()
        fields = self.release.spec.fields
        columns = {field.name: pa.array(told[field.name], field.type) for field in fields.schema}
        return UserBatch.from_table(pa.table(columns), self.release.index_of, fields)

    def scores(self, user: UserBatch) -> dict[str, float]:
        """Of every title that the user has not started."""
        release = self.release
        features = encode_users(release.spec, user, release.history_vectors)
        vector = release.tower.from_features(features)[0].astype(np.float64)
        started = {
            release.item_ids[item]
            for history in user.histories.values()
            for item, signal in zip(history.items, history.signals, strict=True)
            if release.spec.signals[signal] in release.manifest.start_signals
        }
        rows = zip(release.item_ids[release.target], release.item_vectors, strict=True)
        return {
            item: float(own.astype(np.float64) @ vector)
            for item, own in rows
            if item not in started
        }

    def reasons(self, user: UserBatch, item_id: str, phrases: Mapping[str, str]) -> set[str | None]:
        """What may be said: of the nearest started titles, else of the nearest others."""
        release = self.release
        own = release.history_vectors[release.index_of([item_id])[0]].astype(np.float64)
        near: dict[bool, list[tuple[float, str]]] = {True: [], False: []}
        for history in user.histories.values():
            for item, code in zip(history.items, history.signals, strict=True):
                signal, other = release.spec.signals[code], release.history_vectors[item]
                other = other.astype(np.float64)
                length = np.linalg.norm(own) * np.linalg.norm(other)
                cosine = float(own @ other / length) if length else 0.0
                words = f"because {phrases.get(signal, 'of')} {release.titles[item]}"
                near[signal in release.manifest.start_signals].append((cosine, words))
        for events in (near[True], near[True] + near[False]):
            best = max((cosine for cosine, _ in events), default=0.0)
            if best > 0:
                return {words for cosine, words in events if cosine >= best - CLOSE}
        return {None}


@pytest.fixture(scope="module", params=["whole", "pruned"])
def runtime(home: Home, request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "pruned":
            # Forty titles are as many as a catalogue, and three columns as much as it takes.
            few = {"FIRST": 2, "COLUMNS": 3, "MIN_ITEMS": 1, "_MORE": 1, "_FEW": 1, "_ENOUGH": 2}
            for name, value in few.items():
                patch.setattr(pruned, name, value)
        opened = Runtime.open(Environment(home.folder, SETTINGS))
        active = opened._active()
        active.nearest.turn()  # what a thread may still be at
        assert (active.nearest._pruned is not None) == (request.param == "pruned")
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def plainly(home: Home, runtime: Runtime) -> Plainly:
    return Plainly(home.folder, runtime._active().release)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    user_id=st.sampled_from(USERS),
    k=st.integers(1, 45),
    language=st.sampled_from([None, "en", "de"]),
    exclude=st.lists(st.sampled_from([*ITEMS, "p001", "no such"]), max_size=30),
)
def test_a_shelf_is_that_of_the_plain_computation(
    runtime: Runtime,
    plainly: Plainly,
    user_id: str,
    k: int,
    language: str | None,
    exclude: list[str],
) -> None:
    asked: dict[str, Any] = {"user_id": user_id, "k": k, "language": language, "exclude": exclude}
    shelf = runtime.recommend(RecommendRequest(**asked))
    assert (shelf.how.vector, shelf.how.search, shelf.how.fallbacks) == ("two_tower", "exact", [])
    user = plainly.user(user_id)
    left = {
        item: score
        for item, score in plainly.scores(user).items()
        if item not in exclude
        and (language is None or (language == "de") == (int(item[1:]) % 5 == 0))
    }
    best = sorted(left.values(), reverse=True)[:k]
    assert [item.inner_product for item in shelf.items] == pytest.approx(best, abs=CLOSE)
    assert len({item.item_id for item in shelf.items}) == len(best)
    phrases = SETTINGS.serving.reasons
    for item in shelf.items:
        assert item.inner_product == pytest.approx(left[item.item_id], abs=CLOSE)
        assert item.why in plainly.reasons(user, item.item_id, phrases)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    asked=st.lists(
        st.builds(
            RecommendRequest,
            user_id=st.sampled_from([*USERS, "nobody"]),
            k=st.integers(1, 45),
            language=st.sampled_from([None, "en", "de", "sv"]),
            exclude=st.lists(st.sampled_from(ITEMS), max_size=10),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_a_shelf_is_the_same_to_the_last_bit_whoever_asks_beside(
    runtime: Runtime, asked: list[RecommendRequest]
) -> None:
    def read(shelf: object) -> dict[str, Any]:
        assert isinstance(shelf, Shelf)
        return shelf.model_dump(exclude={"request_id"})

    together = [read(one) for one in runtime.recommend_all([(one, ()) for one in asked])]
    assert together == [read(runtime.recommend(one)) for one in asked]


def test_a_start_does_not_wait_for_vectors_to_be_turned(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruned, "MIN_ITEMS", 1)
    monkeypatch.setattr(pruned, "COLUMNS", 3)
    may_turn = threading.Event()

    class Waiting(pruned.PrunedVectors):
        def __init__(self, *parts: Any) -> None:
            assert may_turn.wait(30)
            super().__init__(*parts)

    monkeypatch.setattr(nearest, "PrunedVectors", Waiting)
    opened = Runtime.open(Environment(home.folder, SETTINGS))
    try:
        asked = RecommendRequest(user_id=USERS[0], k=5)
        before = opened.recommend(asked)
        assert opened._active().nearest._pruned is None
        may_turn.set()
        deadline = time.monotonic() + 30
        while opened._active().nearest._pruned is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert before.how.search == "exact"
        assert before.items == opened.recommend(asked).items
    finally:
        may_turn.set()
        opened.close()
