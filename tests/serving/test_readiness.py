"""Ready means that release, features and index have answered; one key's trouble is its own."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from colisten.features.users import UserBatch
from colisten.release.pointer import POINTER
from colisten.serving.answers import How
from colisten.serving.app import build_app
from colisten.serving.environment import Environment
from colisten.serving.feature_client import FeatureClient
from colisten.serving.index_truth import Allowed, answer_fault
from colisten.serving.parts import EXPOSURES, FEATURES, FILES, INDEX, PARTS, Parts
from colisten.serving.popular_floor import PopularFloor
from colisten.serving.requests import RecommendRequest
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from tests.conftest import CUT
from tests.feature_folders import live_features, online_db
from tests.serving.load import busy
from tests.serving.strange import make_strange_home

SETTINGS = (
    "index.backend=exact",
    "serving.follow_seconds=0.05",
    "serving.inspect_seconds=0.05",
    "serving.features_budget_ms=2000",
)


@pytest.fixture(scope="module")
def made(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_strange_home(tiny_history, tmp_path_factory.mktemp("made"), as_of=CUT)


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may break, at another path than it was made at."""
    return Path(shutil.copytree(made, tmp_path / "home"))


@contextmanager
def opened(home: Path, *settings: str) -> Iterator[Runtime]:
    runtime = Runtime.open(Environment(home, load_settings(None, (*SETTINGS, *settings))))
    try:
        yield runtime
    finally:
        runtime.close()


def soon(true: object, seconds: float = 60.0) -> bool:
    assert callable(true)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def shelf(runtime: Runtime, user: str = "u0062") -> How:
    return runtime.recommend(RecommendRequest(user_id=user)).how


def whole(runtime: Runtime) -> dict[str, Any]:
    """A long shelf, without what is of one answer alone."""
    request = RecommendRequest(user_id="u0062", k=20)
    return runtime.recommend(request).model_dump(exclude={"request_id"})


def test_it_is_ready_when_everything_has_answered_once(home: Path) -> None:
    with opened(home) as runtime:
        assert runtime.ready
        info = runtime.info()
        assert set(info.parts) == {*PARTS, EXPOSURES}
        assert all(part.ok for part in info.parts.values())
        assert info.live == info.release_id
        app = build_app()
        app.state.runtime = runtime
        with TestClient(app) as client:
            assert client.get("/v1/release").json()["parts"]["files"]["ok"] is True


@pytest.mark.parametrize("lost", ["registry.db", "feature_store.yaml"])
def test_without_features_it_is_not_ready_until_they_are_there(home: Path, lost: str) -> None:
    file = live_features(home) / lost
    file.rename(home / "kept")
    with opened(home) as runtime:
        assert not runtime.ready
        assert runtime.info().parts["features"].reason == "features_error"
        assert shelf(runtime).vector == "popular"  # it answers whoever asks nevertheless
        shutil.copy(home / "kept", file)
        assert soon(lambda: runtime.ready)
        assert soon(lambda: shelf(runtime).vector == "two_tower")
        since = runtime.info().parts["features"].since
        file.unlink()
        assert soon(lambda: not runtime.info().parts["features"].ok)
        assert runtime.info().parts["features"].since > since
        assert runtime.ready  # later loss is named and costs quality
    with opened(home, "serving.ready_needs=[index]") as runtime:
        assert runtime.ready


def test_a_store_that_has_forgotten_everybody_is_no_answer(home: Path) -> None:
    with closing(sqlite3.connect(online_db(live_features(home)))) as store, store:
        tables = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            store.execute(f'DELETE FROM "{table}"')
    with opened(home) as runtime:
        assert not runtime.ready
        assert runtime.info().parts["features"].reason == "features_empty"


def test_a_pointer_that_is_gone_or_torn_is_named(home: Path) -> None:
    pointer = home / "releases" / POINTER
    kept = pointer.read_text()
    with opened(home) as runtime:
        served = runtime.info().release_id
        for content, reason in (("{half", "release_refused"), (None, "release_absent")):
            pointer.unlink()
            if content is not None:
                pointer.write_text(content)
            assert soon(lambda reason=reason: runtime.info().parts["release"].reason == reason)
            info = runtime.info()
            assert (info.live, info.release_id) == (None, served)
            assert f"{served} is served" in str(info.parts["release"].why)
            assert shelf(runtime).vector == "two_tower"
        pointer.write_text(kept)
        assert soon(lambda: runtime.info().parts["release"].ok)
        assert runtime.info().live == served
    pointer.write_text("{half")
    with opened(home) as runtime:  # the journal says what was live
        assert runtime.info().release_id == served
        assert runtime.ready


def test_files_that_changed_are_named_and_shelves_stay(home: Path) -> None:
    with opened(home) as runtime:
        before = whole(runtime)
        file = home / "releases" / before["release_id"] / "item_vectors.npy"
        kept = file.read_bytes()
        file.write_bytes(b"")
        assert soon(lambda: runtime.info().parts["files"].reason == "files_changed")
        assert whole(runtime) == before
        file.write_bytes(kept)
        assert soon(lambda: runtime.info().parts["files"].ok)


def test_where_no_copy_can_lie_the_release_is_read_into_memory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(home / "releases" / POINTER))  # a file
    with opened(home) as runtime:
        before = whole(runtime)
        release = runtime.live
        assert release is not None
        assert not isinstance(release.item_vectors.base, np.memmap)
        for file in (home / "releases" / before["release_id"]).glob("*.npy"):
            file.write_bytes(b"")
        assert soon(lambda: runtime.info().parts["files"].reason == "files_changed")
        assert whole(runtime) == before


@pytest.mark.parametrize("fault", ["slow", "raises"])
def test_one_user_whose_row_is_broken_asks_in_a_loop_and_others_are_well(
    home: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    read = FeatureClient.read

    def broken(client: FeatureClient, user_id: str) -> UserBatch:
        if user_id == "u0070" and fault == "slow":
            time.sleep(0.3)
        elif user_id == "u0070":
            raise RuntimeError("A fault that nobody foresaw.")
        return read(client, user_id)

    monkeypatch.setattr(FeatureClient, "read", broken)
    with opened(home, "serving.features_budget_ms=200") as runtime:
        answers = []
        for at in range(40):
            own = shelf(runtime, "u0070")
            # SQLite keeps to its budget by itself: what is slow elsewhere is waited for.
            assert own.fallbacks == ([] if fault == "slow" else ["features_error"])
            if at % 4 == 3:  # enough in a row to open a breaker that took them for an outage
                answers.append(shelf(runtime).vector)
        assert answers == ["two_tower"] * 10


def test_a_worker_with_much_to_do_answers_later_and_not_with_what_is_popular(home: Path) -> None:
    with opened(home, "serving.features_budget_ms=5") as runtime, busy(6):
        answers = [shelf(runtime) for _ in range(10)]
    assert [(one.vector, one.fallbacks) for one in answers] == [("two_tower", [])] * 10


def how(search: str, *fallbacks: str) -> How:
    vector = "popular" if search == "popular" else "two_tower"
    return How(vector=vector, search=search, fallbacks=list(fallbacks))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def answers(floor: PopularFloor, clock: Clock, seconds: float, popular: float) -> None:
    for at in range(int(seconds * 10)):
        clock.now += 0.1
        share = (at * popular) % 1 + popular
        floor.note(how("popular", "features_error") if share >= 1 - 1e-9 else how("exact"))


def test_a_floor_is_broken_by_a_share_that_lasts_and_only_by_that() -> None:
    clock = Clock()
    floor = PopularFloor(0.3, 10.0, clock)
    assert floor.holds(well=True)
    answers(floor, clock, 20, 0.2)
    assert floor.holds(well=True)
    answers(floor, clock, 1, 1.0)  # a moment
    assert floor.holds(well=False)
    answers(floor, clock, 20, 0.5)
    assert not floor.holds(well=False)
    answers(floor, clock, 20, 0.1)
    assert floor.holds(well=False)


def test_a_broken_floor_that_nobody_asks_is_whole_when_the_store_is_well() -> None:
    clock = Clock()
    floor = PopularFloor(0.3, 10.0, clock)
    answers(floor, clock, 20, 1.0)
    assert not floor.holds(well=True)  # for whatever reason: users are not served
    clock.now += 60
    assert not floor.holds(well=False)
    assert floor.holds(well=True)
    assert floor.holds(well=False)


def test_users_of_whom_nothing_is_known_break_no_floor() -> None:
    clock = Clock()
    floor = PopularFloor(0.0, 1.0, clock)
    for _ in range(100):
        clock.now += 0.01
        floor.note(how("popular", "user_unknown"))
    assert floor.holds(well=True)
    for _ in range(100):
        clock.now += 0.01
        floor.note(how("popular", "features_error"))
    assert not floor.holds(well=True)
    off = PopularFloor(None, 1.0, clock)
    for _ in range(100):
        clock.now += 0.01
        off.note(how("popular", "features_error"))
    assert off.holds(well=False)


def test_a_worker_below_its_floor_is_not_ready_until_users_are_known_again(home: Path) -> None:
    settings = ("serving.ready_popular_share=0.5", "serving.ready_popular_seconds=2")
    with opened(home, *settings) as runtime:
        assert runtime.ready
        registry = live_features(home) / "registry.db"
        registry.rename(home / "kept")
        assert soon(lambda: shelf(runtime).search == "popular" and not runtime.ready)
        shutil.copy(home / "kept", registry)
        assert soon(lambda: runtime.ready)  # nobody asks, and the store is well


def test_an_answer_is_held_against_the_release(home: Path) -> None:
    with opened(home) as runtime:
        release = runtime.live
        assert release is not None
        n = len(release.item_vectors)
        query = np.array(release.item_vectors[:1])
        [ids], [scores] = release.exact(query, 10)
        every = Allowed()
        good = answer_fault(release, query, 10, every, ids, scores)
        assert good is None
        assert answer_fault(release, query, 10, every, ids[:9], scores[:9]) == "index_short"
        few = np.zeros(n, dtype=bool)
        few[release.index_of(ids[:3]) - release.target.start] = True
        assert answer_fault(release, query, 10, Allowed(few), ids[:3], scores[:3]) is None
        assert answer_fault(release, query, 10, Allowed(few), ids[:2], scores[:2]) == "index_short"
        but = Allowed(few, ids[2:3])
        assert answer_fault(release, query, 10, but, ids[:2], scores[:2]) is None
        assert answer_fault(release, query, 10, but, ids[:3], scores[:3]) == "index_foreign"
        assert answer_fault(release, query, 10, every, [], scores[:0]) == "index_short"
        foreign = (
            (["no such", *ids[1:]], scores),
            ([ids[0], *ids[:9]], scores),
            (ids, scores[::-1]),
            (release.item_ids[: release.target.start][:10].tolist(), scores),
        )
        for other, scored in foreign:
            if len(other) == len(scored):
                fault = answer_fault(release, query, 10, every, other, scored)
                assert fault == "index_foreign"


def test_a_part_says_since_when_it_is_so() -> None:
    parts = Parts()
    assert not any(state.ok for _, state in parts.items())
    parts.ill(INDEX, "index_incomplete", "It has 3 items.")
    first = parts[INDEX]
    parts.ill(INDEX, "index_incomplete", "It has 2 items.")
    assert parts[INDEX].since == first.since
    assert parts[INDEX].why == "It has 2 items."
    parts.well(INDEX)
    assert parts[INDEX].since > first.since
    assert parts[INDEX].reason is None
    assert not parts[FILES].ok
    assert not parts[FEATURES].ok
