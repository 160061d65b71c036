"""A process killed at any effect leaves the old release live, and the next call completes.

The child counts its effects on files and index (renames, syncs, removals, index writes); n runs
until the child gets through.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from colisten.errors import ReleaseError
from colisten.index import ExactIndex
from colisten.release.loaded import LoadedRelease
from colisten.release.manifest import LIVE_ALIAS
from colisten.release.store import ReleaseStore
from tests.killed import When, imported_ahead, killed

EFFECTS = {
    "os": ("replace", "fsync"),
    "shutil": ("copyfile", "rmtree"),
    "colisten.index:ExactIndex": ("create", "drop", "point_alias"),
}
imported_ahead(__name__)


def act(action: str, root: Path, argument: str) -> None:
    store, index = ReleaseStore(root), ExactIndex(root / "index" / "exact")
    if action == "publish":
        store.publish(Path(argument), index)
    elif action == "promote":
        store.promote(argument, index)
    elif action == "rollback":
        store.rollback(index)
    else:
        store.prune(0, index)


def ended(action: str, root: Path, argument: str, stop_at: int, when: When) -> bool:
    """Whether what was to be done was ended at that effect."""
    counted = root.with_name("counted")
    return not killed(stop_at, EFFECTS, counted, act, action, root, argument, when=when)


def check_whole(store: ReleaseStore, index: ExactIndex, live: str) -> None:
    """What a service started now would find."""
    release = store.load_live()
    assert release.release_id == live
    golden = release.golden_set()
    assert release.exact(golden.vectors, 10)[0] == golden.top_ids
    assert store.verify(live, index).passed
    for state in store.list():
        LoadedRelease.load(store.folder(state.release_id))


@pytest.mark.slow
def test_a_killed_publish(store: ReleaseStore, payloads: tuple[Path, Path], tmp_path: Path) -> None:
    index = ExactIndex(tmp_path / "index" / "exact")
    one = store.publish(payloads[0], index)
    store.promote(one, index)
    kills = 0
    # Every fourth effect: the copies of a dozen files are much alike.
    for stop_at in range(1, 200, 4):
        if not ended("publish", store.root, str(payloads[1]), stop_at, "before"):
            break
        kills += 1
        check_whole(store, index, one)
        assert index.resolve_alias(LIVE_ALIAS) == f"release_{one}"
        two = store.publish(payloads[1], index)
        assert store.verify(two, index).passed
        assert not list(store.releases.glob(".*.partial"))
        store.prune(0, index)
        assert index.collections() == [f"release_{one}"]
    assert kills > 5


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_flip(
    store: ReleaseStore, payloads: tuple[Path, Path], when: When, tmp_path: Path
) -> None:
    index = ExactIndex(tmp_path / "index" / "exact")
    one, two = (store.publish(payload, index) for payload in payloads)
    for action in ("promote", "rollback"):
        kills = 0
        for stop_at in range(1, 50):
            store.promote(two, index)
            store.promote(one, index)
            if not ended(action, store.root, two, stop_at, when):
                break
            kills += 1
            live = store.live()
            assert live in (one, two), "the old or the new one, never none"
            check_whole(store, index, live)
            store.promote(two, index)
            assert store.live() == two
            assert index.resolve_alias(LIVE_ALIAS) == f"release_{two}"
            assert not list(store.releases.glob(".*.partial"))
        assert kills >= 3


@pytest.mark.slow
def test_a_killed_prune(store: ReleaseStore, payloads: tuple[Path, Path], tmp_path: Path) -> None:
    index = ExactIndex(tmp_path / "index" / "exact")
    one = store.publish(payloads[0], index)
    store.promote(one, index)
    kills = 0
    for stop_at in range(1, 50):
        two = store.publish(payloads[1], index)
        if not ended("prune", store.root, "", stop_at, "before"):
            break
        kills += 1
        check_whole(store, index, one)
        store.prune(0, index)
        assert [state.release_id for state in store.list()] == [one]
        assert index.collections() == [f"release_{one}"]
        assert not list(store.releases.glob(".*.partial"))
    assert kills >= 3
    with pytest.raises(ReleaseError):
        store.show(two)
