"""Publish, verify, promote, roll back, prune."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colisten.errors import (
    ReleaseCorrupt,
    ReleaseError,
    ReleaseNotFound,
    VectorIndexError,
    VerifyFailed,
)
from colisten.files import folder_digests
from colisten.index import ExactIndex
from colisten.index.filter import Filter
from colisten.release.loaded import LoadedRelease
from colisten.release.manifest import LIVE_ALIAS
from colisten.release.store import ReleaseStore
from colisten.settings.data import DataSettings
from colisten.settings.sections import GateSettings
from colisten.settings.tree import Settings
from tests.release.payloads import Parts


def test_a_release_of_yesterday_is_read(
    store: ReleaseStore, index: ExactIndex, parts: Parts, tmp_path: Path
) -> None:
    payload = parts.payload(tmp_path / "payload")
    (payload / "golden_set").rename(payload / "canary")
    bound = json.loads((payload / "payload.json").read_text())
    for later in ("context_types", "signals", "start_signals", "filterable"):
        del bound[later]
    bound["settings"]["data"] = {"target_type": "audiobook", "auxiliary_type": "podcast"}
    weights = {"stream": 1.0, "follow": 0.7, "preview": 0.4, "intent_to_pay": 0.6}
    bound["settings"]["features"]["signal_weights"] = weights
    (payload / "payload.json").write_text(json.dumps(bound))
    one = store.publish(payload, index)
    written = json.loads((store.folder(one) / "manifest.json").read_text())
    assert "filterable" not in written
    assert store.promote(one, index).golden_users == 32
    release = store.load_live()
    assert release.columns.kinds == {"language": "keyword"}
    assert release.manifest.data == DataSettings(signals=weights)
    assert release.starts(np.arange(4)).tolist() == [True, False, False, False]


def test_from_payload_to_live(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    assert store.live() is None
    assert store.live_manifest() is None
    with pytest.raises(ReleaseNotFound, match="No release is live"):
        store.load_live()
    assert store.list() == []
    one = store.publish(payloads[0], index)
    assert store.live() is None, "publishing promotes nothing"
    assert [(state.release_id, state.state) for state in store.list()] == [(one, "candidate")]
    assert index.count(f"release_{one}") == 40

    verification = store.promote(one, index)
    assert verification.passed
    assert verification.index_recall == 1.0
    assert verification.golden_users == 32
    assert store.live() == one
    assert index.resolve_alias(LIVE_ALIAS) == f"release_{one}"

    two = store.publish(payloads[1], index)
    assert two != one
    store.promote(two, index)
    assert {state.release_id: state.state for state in store.list()} == {
        two: "live",
        one: "previous",
    }
    assert store.rollback(index) == one
    assert store.live() == one
    assert index.resolve_alias(LIVE_ALIAS) == f"release_{one}"
    assert store.rollback(index) == two, "a second rollback undoes the first"
    live = store.load_live()
    assert live.release_id == two


def test_the_collection_answers_as_the_release_does(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    one = store.publish(payloads[0], index)
    release = LoadedRelease.load(store.folder(one))
    queries = release.golden_set().vectors
    for asked in (Filter(), Filter({"language": ["de"]}, {"item_id": ["a000", "a002"]})):
        own = release.exact(queries, 7, filter=asked)
        theirs = index.search(release.manifest.collection, queries, 7, filter=asked)
        assert own[0] == theirs[0]


def test_publishing_again_changes_nothing(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    one = store.publish(payloads[0], index)
    store.promote(one, index)
    before = folder_digests(store.releases)
    assert store.publish(payloads[0], index) == one
    assert folder_digests(store.releases) == before
    assert store.live() == one


def test_equal_inputs_make_equal_releases_anywhere(
    parts: Parts, tmp_path: Path, payloads: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder, time, index and machine settings: the same id and the same bytes."""
    first, second = ReleaseStore(tmp_path / "here"), ReleaseStore(tmp_path / "there" / "deeper")
    settings = Settings.from_json(
        json.dumps({"threads": 1, "index": {"uri": "http://milvus:19530"}, "memory_limit": "1GB"})
    )
    time.sleep(0.01)
    again = parts.payload(tmp_path / "again", settings=settings)
    one = first.publish(payloads[0], ExactIndex())
    other = second.publish(again, ExactIndex(tmp_path / "exact"))
    assert one == other
    assert folder_digests(first.folder(one)) == folder_digests(second.folder(one))
    for file in first.folder(one).rglob("*"):
        assert file.is_dir() or str(tmp_path).encode() not in file.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"settings": Settings(seed=1)},
        {"metrics": {"k": 10}},
        {"feature_service": "serving_v2"},
        {"seen_items": False},
        {"hgnn": None, "graph": None},
    ],
)
def test_any_other_content_is_another_release(
    parts: Parts, payloads: tuple[Path, Path], tmp_path: Path, change: dict[str, Any]
) -> None:
    store, index = ReleaseStore(tmp_path), ExactIndex()
    one = store.publish(payloads[0], index)
    assert store.publish(parts.payload(tmp_path / "changed", **change), index) != one


def damage_bytes(folder: Path) -> None:
    file = folder / "item_vectors.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def damage_manifest(folder: Path) -> None:
    file = folder / "manifest.json"
    file.write_text(file.read_text().replace('"audiobook"', '"podcast"'))


def cut_short(folder: Path) -> None:
    (folder / "history_vectors.npy").write_bytes(b"")


def remove(folder: Path) -> None:
    (folder / "golden_set" / "vectors.npy").unlink()


def add(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(b"")


@pytest.mark.parametrize("damage", [damage_bytes, damage_manifest, cut_short, remove, add])
def test_a_damaged_release_is_refused_and_mended(
    store: ReleaseStore,
    index: ExactIndex,
    payloads: tuple[Path, Path],
    damage: Callable[[Path], None],
) -> None:
    one, two = (store.publish(payload, index) for payload in payloads)
    store.promote(one, index)
    damage(store.folder(two))
    with pytest.raises(ReleaseCorrupt):
        store.verify(two, index)
    with pytest.raises(ReleaseCorrupt):
        LoadedRelease.load(store.folder(two))
    with pytest.raises(ReleaseCorrupt):
        store.promote(two, index)
    assert store.live() == one
    assert store.publish(payloads[1], index) == two
    store.promote(two, index)
    damage(store.folder(one))
    with pytest.raises(ReleaseCorrupt):
        store.rollback(index)
    assert store.live() == two


def test_what_the_index_lost_is_found_and_mended(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    one, two = (store.publish(payload, index) for payload in payloads)
    store.promote(one, index)
    release = LoadedRelease.load(store.folder(two))
    ids = release.item_ids[release.target].tolist()
    collection = release.manifest.collection
    shuffled = np.ascontiguousarray(release.item_vectors[::-1])
    faults: dict[str, Callable[[], object]] = {
        "no collection": lambda: index.drop(collection),
        "39 items, not 40": lambda: index.create(collection, ids[:-1], release.item_vectors[:-1]),
        "Recall@10": lambda: index.create(collection, ids, shuffled),
    }
    for fault, cause in faults.items():
        cause()
        found = store.verify(two, index)
        assert not found.passed
        assert fault in found.faults[0]
        with pytest.raises(VerifyFailed, match=fault):
            store.promote(two, index)
        assert store.live() == one
        assert store.publish(payloads[1], index) == two
        assert store.verify(two, index).passed


def test_the_release_carries_its_own_limit(
    parts: Parts, store: ReleaseStore, index: ExactIndex, tmp_path: Path
) -> None:
    settings = Settings(gate=GateSettings(min_index_recall=0.2))
    lenient = store.publish(parts.payload(tmp_path / "lenient", settings=settings), index)
    release = LoadedRelease.load(store.folder(lenient))
    vectors = release.item_vectors.copy()
    vectors[:20] = vectors[0]
    ids = release.item_ids[release.target].tolist()
    index.create(release.manifest.collection, ids, vectors)
    found = store.verify(lenient, index)
    assert found.index_recall is not None
    assert 0.2 < found.index_recall < 0.95
    assert found.passed


def test_an_index_out_of_reach(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    """Publishing waits for it; going back does not."""

    class Dead(ExactIndex):
        def create(self, *_: Any, **__: Any) -> None:
            raise VectorIndexError("dead")

        def collections(self) -> list[str]:
            raise VectorIndexError("dead")

        def resolve_alias(self, alias: str) -> str | None:
            raise VectorIndexError("dead")

    one, two = (store.publish(payload, index) for payload in payloads)
    store.promote(one, index)
    store.promote(two, index)
    with pytest.raises(VectorIndexError):
        store.publish(payloads[0], Dead())
    with pytest.raises(VerifyFailed, match="does not answer"):
        store.promote(one, Dead())
    assert store.rollback(Dead()) == one
    assert index.resolve_alias(LIVE_ALIAS) == f"release_{two}"
    assert store.rollback(None) == two
    assert store.rollback(None) == one
    store.promote(one, index)  # already live: the alias catches up
    assert index.resolve_alias(LIVE_ALIAS) == f"release_{one}"


def test_rollback_needs_somewhere_to_go(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    with pytest.raises(ReleaseError, match="No release before"):
        store.rollback(index)
    one = store.publish(payloads[0], index)
    store.promote(one, index)
    with pytest.raises(ReleaseError, match="No release before"):
        store.rollback(index)
    assert store.live() == one


@pytest.mark.parametrize("name", ["r0000000000000000", "../releases", "LIVE", "", "."])
def test_an_unknown_id_is_said(store: ReleaseStore, index: ExactIndex, name: str) -> None:
    for call in (
        lambda: store.show(name),
        lambda: store.verify(name, index),
        lambda: store.promote(name, index),
    ):
        with pytest.raises(ReleaseNotFound) as refused:
            call()
        assert refused.value.exit_code == 2


def test_no_payload_is_said(store: ReleaseStore, index: ExactIndex, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no payload"):
        store.publish(tmp_path / "nothing", index)
    assert store.list() == []


def test_a_broken_pointer_is_said_and_mended(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    one = store.publish(payloads[0], index)
    (store.releases / "LIVE").write_text("{half")
    with pytest.raises(ReleaseCorrupt, match="LIVE"):
        store.live()
    store.promote(one, index)
    assert store.live() == one


def test_prune_keeps_what_is_needed(
    parts: Parts, store: ReleaseStore, index: ExactIndex, tmp_path: Path
) -> None:
    ids = [
        store.publish(parts.payload(tmp_path / f"p{seed}", settings=Settings(seed=seed)), index)
        for seed in range(5)
    ]
    store.promote(ids[1], index)
    store.promote(ids[0], index)
    assert [state.release_id for state in store.list()] == ids[::-1], "latest published first"
    assert sorted(store.prune(2, index)) == [ids[2]]
    assert {state.release_id for state in store.list()} == {ids[0], ids[1], ids[3], ids[4]}
    assert sorted(index.collections()) == sorted(f"release_{one}" for one in ids if one != ids[2])
    store.prune(0, index)
    assert {state.release_id for state in store.list()} == {ids[0], ids[1]}
    assert store.rollback(index) == ids[1]
    with pytest.raises(ReleaseError):
        store.prune(-1, index)


def test_the_journal_says_what_happened(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    one, two = (store.publish(payload, index) for payload in payloads)
    store.promote(one, index)
    journal = store.releases / "journal.jsonl"
    with journal.open("a") as stream:
        stream.write('{"at": "half a li')  # a writer was killed here
    store.promote(two, index)
    store.rollback(index)
    events = [
        (entry["event"], entry["release_id"])
        for line in journal.read_text().splitlines()
        if line.endswith("}")
        for entry in [json.loads(line)]
    ]
    assert events == [
        ("published", one),
        ("published", two),
        ("promoted", one),
        ("promoted", two),
        ("rolled_back", one),
    ]
    settings = store.index_settings()
    assert settings is not None
    assert settings.backend == "exact"


def test_writers_take_turns(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    ids: list[str] = []
    errors: list[BaseException] = []

    def publish(payload: Path) -> None:
        try:
            ids.append(ReleaseStore(store.root).publish(payload, index))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=publish, args=(payloads[at % 2],)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(set(ids)) == 2
    for one in set(ids):
        assert store.verify(one, index).passed


def test_a_busy_store_is_said(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    import fcntl

    store.releases.mkdir()
    with (store.releases / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ReleaseError, match="Another process"):
            ReleaseStore(store.root, lock_seconds=0.2).publish(payloads[0], index)


def test_readers_never_see_half_a_flip(
    store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]
) -> None:
    """Readers follow the pointer while it flips 200 times."""
    ids = [store.publish(payload, index) for payload in payloads]
    store.promote(ids[0], index)
    store.promote(ids[1], index)
    answers = {}
    for one in ids:
        release = LoadedRelease.load(store.folder(one))
        answers[one] = release.golden_set().top_ids[0]
    assert answers[ids[0]] != answers[ids[1]]
    stop = threading.Event()
    seen: list[str] = []
    errors: list[BaseException] = []

    def read() -> None:
        reader = ReleaseStore(store.root)
        try:
            while not stop.is_set():
                release = reader.load_live(verify=False)
                golden = release.golden_set()
                found = release.exact(golden.vectors[:1], 10)[0][0]
                assert found == answers[release.release_id]
                assert release.folder.name == release.release_id
                seen.append(release.release_id)
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(200):
        if turn % 20:
            store.rollback(index)
        else:
            store.promote(ids[turn // 20 % 2], index)
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors, errors[0]
    assert set(seen) == set(ids)
    assert len(seen) > 20


def test_an_old_release_can_be_read_while_it_is_pruned(
    parts: Parts, store: ReleaseStore, index: ExactIndex, tmp_path: Path
) -> None:
    ids = [
        store.publish(parts.payload(tmp_path / f"p{seed}", settings=Settings(seed=seed)), index)
        for seed in range(2)
    ]
    store.promote(ids[1], index)
    release = LoadedRelease.load(store.folder(ids[0]))
    golden = release.golden_set()
    assert store.prune(0, index) == [ids[0]]
    shutil.rmtree(tmp_path / "p0")
    assert release.exact(golden.vectors, 10)[0] == golden.top_ids
    vectors = release.tower.from_features(golden.features)
    np.testing.assert_allclose(vectors, golden.vectors, atol=1e-6)
