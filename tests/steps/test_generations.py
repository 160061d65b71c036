"""Each release has its own features: wherever the home lies, whatever their definitions become."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from colisten.data.catalogue import Catalogue
from colisten.errors import ReleaseError
from colisten.feature_repo.repo import build_feature_repo
from colisten.features.events import Event
from colisten.features.names import CONFIG_FILE
from colisten.features.seen import id_hashes
from colisten.features.store import OnlineFeatures, open_store, user_rows
from colisten.index import ExactIndex
from colisten.release.feature_files import bound_features, features_of, repositories
from colisten.release.pointer import Pointer
from colisten.release.store import ReleaseStore
from colisten.serving.environment import Environment
from colisten.serving.requests import EventRequest, RecommendRequest
from colisten.serving.runtime import Runtime
from colisten.settings.index import IndexSettings
from colisten.settings.sections import FeatureSettings
from colisten.settings.tree import load_settings
from colisten.steps.use_cases.release import (
    list_releases,
    promote_release,
    prune_releases,
    roll_back,
    verify_release,
)
from tests.conftest import CUT, FIELDS
from tests.feature_folders import live_features, online_db, release_with_features
from tests.redis_server import redis_server
from tests.release.payloads import Parts, make_parts

DAY = timedelta(days=1)
LONG, SHORT = 100, 4
EXACT = IndexSettings(backend="exact")
PATIENT = (
    "index.backend=exact",
    "serving.features_budget_ms=30000",
    "serving.search_budget_ms=30000",
    "serving.follow_seconds=0.05",
    "serving.inspect_seconds=0.1",
)


@dataclass(frozen=True)
class Maker:
    """Makes releases of one history, whose features are defined one way or another."""

    history: Path
    folder: Path
    parts: Parts
    catalogue: Catalogue

    def release(
        self, home: Path, length: int, *, online_store: str = "sqlite", redis: str = ""
    ) -> str:
        chosen = {"online_store": online_store, "redis": redis} if redis else {}
        features = FeatureSettings(history_length=length, **chosen)
        built = self.folder / f"built-{length}-{online_store}"
        if not built.exists():
            build_feature_repo(self.history, built, as_of=CUT, features=features)
        payload = partial(_payload, self.parts, self.folder / "payload", length)
        index = ExactIndex(home / "index" / "exact")
        return release_with_features(home, built, payload, index, features=features)

    def online(self, home: Path) -> OnlineFeatures:
        manifest = ReleaseStore(home).live_manifest()
        assert manifest is not None
        return OnlineFeatures(
            features_of(home, manifest),
            self.catalogue.index_of,
            FIELDS,
            bound=bound_features(home, manifest),
        )

    def push(self, home: Path, user: str, item: str, days: int) -> None:
        event = Event(user, item, "audiobook", "stream", CUT + days * DAY)
        assert self.online(home).push(event)

    def held(self, home: Path, user: str) -> tuple[list[str], bool]:
        """What a history holds, and whether all of it is among what the user had."""
        batch = self.online(home).read([user])
        ids = self.catalogue.item_ids[batch.histories["audiobook"].items].tolist()
        assert batch.seen is not None
        return ids, set(id_hashes(ids).tolist()) <= set(batch.seen[0].tolist())


def _payload(parts: Parts, folder: Path, length: int, digest: str) -> Path:
    return parts.payload(folder, features=digest, metrics={"history_length": float(length)})


@pytest.fixture(scope="module")
def maker(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    folder = tmp_path_factory.mktemp("generations")
    parts = make_parts(folder / "parts", tiny_history, CUT)
    return Maker(tiny_history, folder, parts, Catalogue.read(tiny_history))


@pytest.fixture(scope="module")
def made(maker: Maker) -> Path:
    home = maker.folder / "home"
    maker.release(home, LONG)
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


@contextmanager
def serving(home: Path) -> Iterator[Runtime]:
    runtime = Runtime.open(Environment(home, load_settings(None, PATIENT)))
    try:
        yield runtime
    finally:
        runtime.close()


def soon(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def how(runtime: Runtime) -> str:
    shelf = runtime.recommend(RecommendRequest.model_validate({"user_id": "u0021"}))
    return shelf.how.vector


def test_a_home_works_at_another_path_and_through_a_symlink(
    home: Path, maker: Maker, tmp_path: Path
) -> None:
    moved = tmp_path / "moved here" / "it's [another]"
    moved.parent.mkdir()
    home.rename(moved)
    link = tmp_path / "link"
    link.symlink_to(moved)
    for place in (moved, link):
        with serving(place) as runtime:
            assert runtime.ready
            assert how(runtime) == "two_tower"
        rows = user_rows(open_store(live_features(place)), ["u0021"], CUT)
        assert rows.column("audiobook_item_ids")[0].as_py()
        maker.push(place, "somebody", "a001" if place == moved else "a002", 1)
    assert maker.held(moved, "somebody") == (["a001", "a002"], True)
    [one] = list_releases(link)
    assert verify_release(link, one.release_id, index=EXACT).passed
    promote_release(link, one.release_id, index=EXACT)


def test_releases_of_one_definition_share_what_users_did(home: Path, maker: Maker) -> None:
    one = ReleaseStore(home).live()
    maker.push(home, "somebody", "a001", 1)
    kept = online_db(live_features(home))
    payload = maker.parts.payload(
        maker.folder / "other", features=live_features_digest(home), metrics={"x": 1.0}
    )
    index = ExactIndex(home / "index" / "exact")
    two = ReleaseStore(home).publish(payload, index)
    promote_release(home, two, index=EXACT)
    assert online_db(live_features(home)) == kept
    maker.push(home, "somebody", "a002", 2)
    assert roll_back(home, index=EXACT).live == one
    assert maker.held(home, "somebody") == (["a001", "a002"], True)
    assert len(repositories(home)) == 1
    prune_releases(home, 0, index=EXACT)  # both are kept, and so is what they use
    assert maker.held(home, "somebody") == (["a001", "a002"], True)


def live_features_digest(home: Path) -> str:
    manifest = ReleaseStore(home).live_manifest()
    assert manifest is not None
    assert manifest.features is not None
    return manifest.features


def changed_and_back(maker: Maker, home: Path, **store: str) -> None:
    """Definitions change under events, and change back."""
    for day in range(1, 7):
        maker.push(home, "somebody", f"a{day:03d}", day)
    spaces = [maker.online(home).key_space]
    maker.release(home, SHORT, **store)
    assert maker.online(home).history_length == SHORT
    assert maker.held(home, "somebody") == ([f"a{day:03d}" for day in range(3, 7)], True)
    batch = maker.online(home).read(["somebody"])
    assert batch.seen is not None
    assert len(batch.seen[0]) == 6, "the set of what they had is whole"
    spaces.append(maker.online(home).key_space)
    assert spaces[0] != spaces[1]
    maker.push(home, "somebody", "a009", 9)
    roll_back(home, index=EXACT)
    assert maker.online(home).key_space == spaces[0]
    held, had = maker.held(home, "somebody")
    assert held[-1] == "a009"
    assert had


@pytest.mark.slow
def test_changed_definitions_begin_anew_and_lose_no_event(home: Path, maker: Maker) -> None:
    changed_and_back(maker, home)
    assert len(list((home / "features").glob("online_*.db"))) == 2
    one, store = ReleaseStore(home).live(), ReleaseStore(home)
    assert one is not None
    assert len(repositories(home)) == 2
    payload = maker.parts.payload(
        maker.folder / "third", features=live_features_digest(home), metrics={"x": 3.0}
    )
    promote_release(home, store.publish(payload, ExactIndex(home / "index" / "exact")), index=EXACT)
    prune_releases(home, 0, index=EXACT)
    assert len(repositories(home)) == 1
    assert [online_db(live_features(home))] == list((home / "features").resolve().glob("online_*"))


@pytest.mark.slow
def test_changed_definitions_on_redis(maker: Maker, tmp_path: Path) -> None:
    with redis_server(tmp_path) as address:
        home = tmp_path / "home"
        maker.release(home, LONG, online_store="redis", redis=address)
        changed_and_back(maker, home, online_store="redis", redis=address)
        assert not list((home / "features").glob("online_*.db"))


def test_arms_with_other_definitions_are_told_of_every_event(home: Path, maker: Maker) -> None:
    one = ReleaseStore(home).live()
    two = maker.release(home, SHORT)
    arms = f"experiment.arms={{a: {{share: 0.5, shows: {one}}}, b: {{share: 0.5}}}}"
    settings = load_settings(None, (*PATIENT, arms, "experiment.name=both"))
    runtime = Runtime.open(Environment(home, settings))
    try:
        assert {active.release_id for active in runtime._arms.held()} == {one}
        event = {"user_id": "somebody", "item_id": "a001", "item_type": "audiobook"}
        moment = (CUT + DAY).isoformat()
        told = EventRequest.model_validate({**event, "signal": "stream", "timestamp": moment})
        assert runtime.push(told).new
        readers = [runtime._watcher.current, *runtime._arms.held()]
        for active in readers:
            assert active is not None
            assert active.features.read("somebody").histories["audiobook"].counts.tolist() == [1]
        assert len({active.features.key_space for active in readers if active}) == 2
    finally:
        runtime.close()
    assert ReleaseStore(home).live() == two


def test_features_that_are_not_there_are_named(home: Path, maker: Maker) -> None:
    own = live_features(home)
    older = home / "features"
    for path in list(own.iterdir()):  # as a version of before had it
        path.rename(older / path.name)
    own.rmdir()
    with serving(home) as runtime:
        assert not runtime.ready
        part = runtime.info().parts["features"]
        assert part.reason == "features_error"
        assert str(own) in str(part.why)
        assert "of an older version" in str(part.why)
    live = ReleaseStore(home).live()
    assert live is not None
    with pytest.raises(ReleaseError, match="without its features"):
        promote_release(home, live, index=EXACT)
    maker.release(home, LONG)  # run again
    assert (own / CONFIG_FILE).exists()
    with serving(home) as runtime:
        assert runtime.ready
        assert how(runtime) == "two_tower"


@pytest.mark.slow
def test_a_service_stays_with_what_it_has_until_the_features_are_there(
    home: Path, maker: Maker, tmp_path: Path
) -> None:
    one, two = ReleaseStore(home).live(), maker.release(home, SHORT)
    roll_back(home, index=EXACT)
    own = features_of(home, ReleaseStore(home).show(two))
    own.rename(tmp_path / "late")
    with pytest.raises(ReleaseError, match="without its features"):
        roll_back(home, index=EXACT)  # which would undo the first
    assert ReleaseStore(home).live() == one
    with serving(home) as runtime:
        Pointer(two, one).write(home / "releases")  # as it comes where files are copied one by one
        assert soon(lambda: runtime.info().parts["release"].reason == "release_refused")
        assert str(own) in str(runtime.info().parts["release"].why)
        assert runtime.info().release_id == one
        assert how(runtime) == "two_tower"
        (tmp_path / "late").rename(own)
        assert soon(lambda: runtime.info().release_id == two)
        assert how(runtime) == "two_tower"
