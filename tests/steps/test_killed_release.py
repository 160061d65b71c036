"""A process killed at any write leaves one generation served, the old or the new; the same call
again completes.

What counts as a write: a rename, a sync of a file, a portion of online rows, a removal, a change of
the index. The child ends itself with SIGKILL right before the n-th.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colisten.data.catalogue import Catalogue
from colisten.feature_repo.repo import build_feature_repo
from colisten.features.events import Event
from colisten.features.repository import source_digest
from colisten.features.store import OnlineFeatures
from colisten.files import folder_digests
from colisten.index import ExactIndex
from colisten.release.feature_files import bound_features, check_features, features_of
from colisten.release.store import ReleaseStore
from colisten.settings.index import IndexSettings
from colisten.settings.release import ReleaseSettings
from colisten.settings.sections import FeatureSettings
from colisten.steps.artifacts.release import Decision
from colisten.steps.publish import publish_payload
from colisten.steps.use_cases.release import promote_release, roll_back
from tests.conftest import CUT, FIELDS
from tests.feature_folders import release_with_features
from tests.killed import imported_ahead, killed
from tests.release.payloads import make_parts

EARLY = CUT - timedelta(days=20)
EXACT = IndexSettings(backend="exact")
NEWCOMER = "newcomer"
ITEM = "a001"
_LAST = 16  # writes of a publication from the first of its online rows on, and a few before
EFFECTS = {
    "os": ("replace", "fsync"),
    "shutil": ("rmtree",),
    "colisten.features.lightfeast:FeatureStore": ("write_to_online_store",),
    "colisten.index:ExactIndex": ("create", "drop", "point_alias"),
}
imported_ahead(__name__)


@dataclass(frozen=True)
class World:
    """An output folder with one release live, and what the next one is made of."""

    home: Path
    one: str
    payload: Path
    repository: Path
    catalogue: Catalogue
    busy: str
    """Somebody of whom the later tables know more."""
    events: tuple[int, int]
    """How many, by the earlier and by the later tables."""


@pytest.fixture(scope="module")
def world(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("killed")
    home, catalogue = folder / "home", Catalogue.read(tiny_history)
    repositories = [
        build_feature_repo(tiny_history, folder / f"features-{at}", as_of=cut)
        for at, cut in enumerate((EARLY, CUT))
    ]
    parts = [
        make_parts(folder / f"parts-{at}", tiny_history, cut, seed=at)
        for at, cut in enumerate((EARLY, CUT))
    ]
    index = ExactIndex(home / "index" / "exact")
    one = release_with_features(
        home,
        repositories[0],
        lambda digest: parts[0].payload(folder / "payload-0", features=digest),
        index,
    )
    online = _online(home, catalogue)
    assert online.push(Event(NEWCOMER, ITEM, "audiobook", "stream", CUT + timedelta(days=1)))
    digest = source_digest(repositories[1])
    payload = parts[1].payload(folder / "payload-1", features=digest)
    events = tiny_history / "interactions.parquet"
    busy, counts = _busiest(events, catalogue)
    return World(home, one, payload, repositories[1], catalogue, busy, counts)


def _busiest(events: Path, catalogue: Catalogue) -> tuple[str, tuple[int, int]]:
    from colisten.data.interactions import read_interactions

    late = read_interactions(events.parent, as_of=CUT, since=EARLY)
    user = sorted(
        user
        for user, kind in zip(
            late["user_id"].to_pylist(), late["item_type"].to_pylist(), strict=True
        )
        if kind == "audiobook"
    )[0]
    counts = []
    for cut in (EARLY, CUT):
        rows = read_interactions(events.parent, as_of=cut).to_pylist()
        own = {
            (row["item_id"], row["signal"], row["timestamp"])
            for row in rows
            if (row["user_id"], row["item_type"]) == (user, "audiobook")
        }
        counts.append(len(own))
    assert counts[0] < counts[1] < 100
    return user, (counts[0], counts[1])


def _online(home: Path, catalogue: Catalogue) -> OnlineFeatures:
    manifest = ReleaseStore(home).live_manifest()
    assert manifest is not None
    folder, bound = features_of(home, manifest), bound_features(home, manifest)
    assert bound is not None
    return OnlineFeatures(folder, catalogue.index_of, FIELDS, bound=bound)


def publish(home: Path, payload: Path, repository: Path, passed: bool = True) -> str:
    decision = Decision(passed=passed, reasons=[] if passed else ["refused"], warnings=[])
    index = ExactIndex(home / "index" / "exact")
    published = publish_payload(
        home,
        payload,
        repository,
        decision,
        index,
        store=FeatureSettings(),
        keys=ReleaseSettings(),
    )
    assert published.promoted == passed
    return published.release_id


def promote(home: Path, release_id: str) -> None:
    promote_release(home, release_id, index=EXACT)


def rollback(home: Path) -> None:
    roll_back(home, index=EXACT)


def run_until(stop_at: int, start: Path, home: Path, work: Callable[..., Any], *given: Any) -> int:
    """Do some work on a copy of a home, in a process that is killed right before a write.

    Returns:
        How many writes there were where it got through; 0 where it was killed.
    """
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(start, home)
    writes = killed(stop_at, EFFECTS, home.with_name("counted"), work, home, *given)
    assert bool(writes) != bool(stop_at)
    return writes


def check_served(home: Path, world: World, *allowed: str) -> str:
    """What a service started now would find; returns what is live."""
    store = ReleaseStore(home)
    release = store.load_live()
    live = release.release_id
    assert live in allowed, "the old or the new one, never none"
    check_features(home, release.manifest)
    assert source_digest(features_of(home, release.manifest)) == release.manifest.features
    for state in store.list():  # whatever is listed can be promoted with its features
        check_features(home, store.show(state.release_id))
    batch = _online(home, world.catalogue).read([world.busy, NEWCOMER])
    counts = np.diff(batch.histories["audiobook"].offsets).tolist()
    assert counts[0] in world.events, "the rows of the one cut or of the other, whole"
    assert counts[1] == 1, "what was accepted stays"
    if live != world.one:
        assert counts[0] == world.events[1], "the new release has all that it was made of"
    return live


def check_completed(home: Path, world: World, live: str) -> None:
    assert check_served(home, world, live) == live
    assert ReleaseStore(home).verify(live, ExactIndex(home / "index" / "exact")).passed
    for folder in ("releases", "features"):
        assert not list((home / folder).rglob(".*.partial"))


@pytest.mark.slow
def test_a_publication_that_is_killed(world: World, tmp_path: Path) -> None:
    home, seen = tmp_path / "home", set()
    start, work = world.home, (publish, world.payload, world.repository)
    writes = run_until(0, start, home, *work)
    two = ReleaseStore(home).live()
    assert two is not None
    check_completed(home, world, two)
    # The copies of some thirty files are much alike; what comes after them is not.
    for stop_at in (*range(1, writes - _LAST, 9), *range(writes - _LAST, writes + 1)):
        run_until(stop_at, start, home, *work)
        seen.add(check_served(home, world, world.one, two))
        if stop_at % 4 == 1:
            assert publish(home, world.payload, world.repository) == two
            check_completed(home, world, two)
    assert seen == {world.one, two}


@pytest.mark.slow
def test_a_flip_that_is_killed(world: World, tmp_path: Path) -> None:
    """A candidate that was refused is promoted by hand, and rolled back from."""
    refused, home = tmp_path / "refused", tmp_path / "home"
    shutil.copytree(world.home, refused)
    two = publish(refused, world.payload, world.repository, passed=False)
    promoted = tmp_path / "promoted"
    shutil.copytree(refused, promoted)
    promote(promoted, two)
    flips: tuple[tuple[Path, Callable[..., None], tuple[str, ...], str], ...] = (
        (refused, promote, (two,), two),
        (promoted, rollback, (), world.one),
    )
    for start, work, given, new in flips:
        writes, seen = run_until(0, start, home, work, *given), set()
        for stop_at in range(1, writes + 1):
            run_until(stop_at, start, home, work, *given)
            live = check_served(home, world, world.one, two)
            seen.add(live)
            if live != new:  # a rollback that is done is not done again
                work(home, *given)
            check_completed(home, world, new)
        assert writes >= 4
        assert seen == {world.one, two}


def test_a_refused_candidate_leaves_what_is_served_byte_for_byte(
    world: World, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(world.home, home)

    def served() -> dict[str, str]:
        manifest = ReleaseStore(home).live_manifest()
        assert manifest is not None
        folders = {
            "features": features_of(home, manifest),
            "release": home / "releases" / manifest.release_id,
            "collection": home / "index" / "exact" / manifest.collection,
        }
        files = [home / "releases" / "LIVE", *(home / "features").glob("online_*.db")]
        found = {file.name: file.read_bytes().hex() for file in files}
        for name, folder in folders.items():
            found |= {f"{name}/{file}": told for file, told in folder_digests(folder).items()}
        return found

    before = served()
    assert any(name.startswith("online_") for name in before)
    assert any(name.startswith("collection/") for name in before)
    two = publish(home, world.payload, world.repository, passed=False)
    assert served() == before
    promote(home, two)
    check_completed(home, world, two)
    rollback(home)
    check_completed(home, world, world.one)
    assert _online(home, world.catalogue).read([world.busy]).known[0]
