"""What breaks under a running service is named, left, and taken up again: no shelf is wrong.

Everything here is real: `colisten serve`, Feast on SQLite, Milvus Lite, at another path than the
folder was made at.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pymilvus import MilvusClient

from colisten.index import open_index
from colisten.index.lite_server import endpoint_of, live_endpoint
from colisten.release.store import ReleaseStore
from colisten.settings.index import IndexSettings
from tests.feature_folders import live_features
from tests.serving.conftest import START_SECONDS, Home, Service, launch, start, stop

pytestmark = pytest.mark.slow

USERS = [f"u{number:04d}" for number in range(60, 68)]
Shelves = dict[str, list[tuple[str, float]]]


@pytest.fixture(scope="module")
def moved(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The folder, mounted elsewhere."""
    folder = tmp_path_factory.mktemp("elsewhere") / "out"
    shutil.copytree(home.folder, folder, ignore=shutil.ignore_patterns("endpoint.json", "work"))
    return Home(folder, home.ids)


@pytest.fixture(scope="module")
def running(moved: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = start(moved, tmp_path_factory.mktemp("log") / "log", *QUICKLY)
    yield started
    stop(started)


QUICKLY = ("serving.inspect_seconds=0.2",)


@pytest.fixture
def live(running: Service) -> str:
    release_id: str = running.get("/v1/release").json()["release_id"]
    return release_id


def soon(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False


def shelves(service: Service) -> Shelves:
    made: Shelves = {}
    for user in USERS:
        answer = service.post("/v1/recommend", user_id=user, k=20)
        assert answer.status_code == 200, answer.text
        made[user] = [
            (one["item_id"], round(one["inner_product"], 4)) for one in answer.json()["items"]
        ]
    return made


def how(service: Service) -> dict[str, Any]:
    answer: dict[str, Any] = service.post("/v1/recommend", user_id=USERS[0]).json()["how"]
    return answer


def part(service: Service, name: str) -> dict[str, Any]:
    found: dict[str, Any] = service.get("/v1/release").json()["parts"][name]
    return found


def healthy(service: Service) -> bool:
    release = service.get("/v1/release").json()
    return all(one["ok"] for one in release["parts"].values()) and release["index"] == "milvus"


def indexed(service: Service) -> dict[str, float]:
    """Items of the collection, as it was counted and as its manifest says."""
    found = re.findall(
        r'^colisten_index_items\{of="(\w+)"\} ([\d.]+)$', service.get("/metrics").text, re.MULTILINE
    )
    return {of: float(count) for of, count in found}


def test_a_folder_at_another_path_serves_its_users_by_its_index(running: Service) -> None:
    assert soon(lambda: healthy(running))
    assert how(running) == {
        "vector": "two_tower",
        "search": "milvus",
        "fallbacks": [],
        "unknown": [],
    }
    release = running.get("/v1/release").json()
    assert release["live"] == release["release_id"] == running.home.ids[0]
    assert 'colisten_parts_well{part="index"} 1.0' in running.get("/metrics").text
    assert indexed(running)["index"] == indexed(running)["release"] > 0


@pytest.mark.parametrize("rows", ["some", "all"])
def test_rows_that_are_gone_from_the_index_are_missed(
    running: Service, live: str, rows: str
) -> None:
    assert soon(lambda: healthy(running))
    expected, collection = shelves(running), f"release_{live}"
    uri = live_endpoint(running.home.folder)
    assert uri is not None
    client = MilvusClient(uri)
    top = [item for item, _ in expected[USERS[0]]]
    gone = 'item_id != ""' if rows == "all" else f"item_id in {json.dumps(top[:3])}"
    client.delete(collection, filter=gone)
    client.close()
    assert soon(lambda: not part(running, "index")["ok"])
    state = part(running, "index")
    assert state["reason"] == "index_incomplete"
    assert collection in state["why"]
    assert running.get("/v1/release").json()["index"] == "exact"
    assert how(running)["fallbacks"] == ["index_incomplete"]
    assert shelves(running) == expected
    assert 'colisten_parts_well{part="index"} 0.0' in running.get("/metrics").text
    assert 'reason="index_incomplete"' in running.get("/metrics").text
    items = indexed(running)
    assert items["index"] == (0 if rows == "all" else items["release"] - 3)
    assert running.get("/readyz").status_code == 200  # it answers as well as before
    with open_index(running.home.folder, IndexSettings(backend="milvus")) as index:
        ReleaseStore(running.home.folder).republish(live, index)
    assert soon(lambda: healthy(running))
    assert soon(lambda: how(running)["search"] == "milvus")
    assert shelves(running) == expected


def test_a_collection_of_other_vectors_under_the_same_name_is_foreign(
    running: Service, live: str
) -> None:
    assert soon(lambda: healthy(running))
    expected, store = shelves(running), ReleaseStore(running.home.folder)
    release = store.load_live()
    with open_index(running.home.folder, IndexSettings(backend="milvus")) as index:
        ids = release.item_ids[release.target].tolist()
        index.create(
            release.manifest.collection,
            ids,
            release.item_vectors[np.roll(np.arange(len(ids)), 1)],
            columns=release.columns.table,
        )
        # Between two looks every single answer is held against the release's own vectors.
        for user in USERS:
            answer = running.post("/v1/recommend", user_id=user, k=20).json()
            assert [one["item_id"] for one in answer["items"]] == [
                item for item, _ in expected[user]
            ]
        assert soon(lambda: part(running, "index")["reason"] == "index_foreign")
        assert how(running)["search"] == "exact"
        index.create(
            release.manifest.collection,
            ids,
            release.item_vectors,
            columns=release.columns.table,
            rows=np.arange(release.target.start, release.target.stop),
        )
    assert soon(lambda: how(running)["search"] == "milvus")
    assert shelves(running) == expected


def test_an_index_server_that_is_killed_comes_back_by_itself(running: Service) -> None:
    assert soon(lambda: healthy(running))
    expected = shelves(running)
    pid = json.loads(endpoint_of(running.home.folder).read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    answer = how(running)
    assert (answer["vector"], answer["search"]) == ("two_tower", "exact")
    assert answer["fallbacks"][0] in {"index_error", "index_timeout", "index_resting"}
    assert soon(lambda: part(running, "index")["reason"] == "index_error")
    assert running.get("/v1/release").json()["index"] == "exact"
    assert soon(lambda: how(running)["search"] == "milvus", 60)
    assert json.loads(endpoint_of(running.home.folder).read_text())["pid"] != pid
    assert shelves(running) == expected


@pytest.mark.parametrize("damage", ["overwritten", "truncated"])
@pytest.mark.parametrize("name", ["item_vectors.npy", "history_vectors.npy", "user_tower.onnx"])
def test_files_that_are_damaged_in_place_change_no_shelf(
    running: Service, live: str, name: str, damage: str
) -> None:
    assert soon(lambda: healthy(running))
    expected = shelves(running)
    file = running.home.folder / "releases" / live / name
    kept, inode = file.read_bytes(), file.stat().st_ino
    try:
        with file.open("r+b") as stream:
            if damage == "truncated":
                stream.truncate(200)
            else:
                stream.seek(-4096, os.SEEK_END)
                stream.write(os.urandom(4096))
        assert file.stat().st_ino == inode
        assert shelves(running) == expected
        assert soon(lambda: part(running, "files")["reason"] == "files_changed")
        assert name in part(running, "files")["why"]
        assert shelves(running) == expected
    finally:
        with file.open("r+b") as stream:
            stream.write(kept)
            stream.truncate()
    assert soon(lambda: healthy(running))
    assert shelves(running) == expected


def test_what_the_release_does_not_know_is_named(running: Service) -> None:
    for language in ("EN", "en_GB"):
        answer = running.post("/v1/recommend", user_id=USERS[0], language=language).json()
        assert len(answer["items"]) == 10
        assert answer["how"]["unknown"] == []
    answer = running.post("/v1/recommend", user_id=USERS[0], language="fr").json()
    assert answer["items"] == []
    assert answer["how"]["fallbacks"] == ["language_not_offered"]
    assert answer["how"]["unknown"] == [{"field": "language", "value": "fr"}]
    refused = running.post("/v1/recommend", user_id=USERS[0], language="xx")
    assert refused.status_code == 400
    assert refused.json()["fields"][0]["field"] == "language"
    everything = [item for item, _ in shelves(running)[USERS[0]]]
    body = {"exclude": everything, "language": "de", "k": 100}
    left = running.post("/v1/recommend", user_id=USERS[0], **body).json()
    gone = [*everything, *(one["item_id"] for one in left["items"])]
    empty = running.post("/v1/recommend", user_id=USERS[0], **{**body, "exclude": gone}).json()
    assert empty["items"] == []
    assert empty["how"]["fallbacks"] == ["nothing_left"]


def test_a_damaged_live_release_leaves_the_one_before_it(moved: Home, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(moved.folder, folder, ignore=shutil.ignore_patterns("endpoint.json"))
    first, second = moved.ids
    store = ReleaseStore(folder)
    with open_index(folder, IndexSettings(backend="milvus")) as index:
        store.promote(second, index)
    damaged = store.folder(second) / "item_vectors.npy"
    kept = damaged.read_bytes()
    damaged.write_bytes(b"")
    service = start(Home(folder, moved.ids), tmp_path / "log", *QUICKLY)
    try:
        release = service.get("/v1/release").json()
        assert (release["live"], release["release_id"]) == (second, first)
        state = release["parts"]["release"]
        assert state["reason"] == "release_refused"
        assert "item_vectors.npy" in state["why"]
        assert f"{first} is served" in state["why"]
        answer = service.post("/v1/recommend", user_id=USERS[0]).json()
        assert answer["release_id"] == first
        assert answer["how"]["vector"] == "two_tower"
        damaged.write_bytes(kept)
        assert soon(lambda: service.get("/v1/release").json()["release_id"] == second)
        assert part(service, "release")["ok"]
    finally:
        stop(service)


def test_a_service_is_ready_when_its_users_are_known(moved: Home, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(moved.folder, folder, ignore=shutil.ignore_patterns("endpoint.json"))
    registry = live_features(folder) / "registry.db"
    kept = registry.read_bytes()
    registry.unlink()
    service = launch(Home(folder, moved.ids), tmp_path / "log", *QUICKLY)
    try:
        ill = '"part": "features", "reason": "features_error"'
        assert soon(lambda: ill in (tmp_path / "log").read_text(), START_SECONDS)
        assert soon(lambda: answers(service, "/readyz") == 503)
        assert soon(lambda: answers(service, "/v1/release") == 200)
        assert part(service, "features")["reason"] == "features_error"
        registry.unlink(missing_ok=True)
        registry.write_bytes(kept)
        assert soon(lambda: answers(service, "/readyz") == 200)
        assert how(service)["vector"] == "two_tower"
    finally:
        stop(service)


def answers(service: Service, path: str) -> int | None:
    """The status, None where nobody listens yet."""
    try:
        return service.get(path).status_code
    except httpx.TransportError:
        return None


@pytest.mark.parametrize("way", ["link", "dots"])
def test_the_index_is_found_by_whatever_path_one_comes(
    moved: Home, tmp_path: Path, way: str
) -> None:
    folder = tmp_path / "real" / "out"
    shutil.copytree(moved.folder, folder, ignore=shutil.ignore_patterns("endpoint.json"))
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "real" / "deep").mkdir()
    path = {"link": tmp_path / "link", "dots": tmp_path / "real" / "deep" / ".." / "out"}[way]
    service = start(Home(path, moved.ids), tmp_path / "log", *QUICKLY)
    try:
        assert soon(lambda: how(service)["search"] == "milvus")
        assert live_endpoint(path) == live_endpoint(folder) is not None
    finally:
        stop(service)


def test_a_worker_that_is_killed_comes_back_though_the_files_are_damaged(
    moved: Home, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(moved.folder, folder, ignore=shutil.ignore_patterns("endpoint.json"))
    service = start(Home(folder, moved.ids), tmp_path / "log", *QUICKLY, workers=2)
    try:
        assert soon(lambda: len(workers(service)) == 2)
        expected = shelves(service)
        for name in ("item_vectors.npy", "history_vectors.npy"):
            with (folder / "releases" / moved.ids[0] / name).open("r+b") as stream:
                stream.truncate(100)
        gone = sorted(workers(service))[0]
        os.kill(gone, signal.SIGKILL)
        # The copy that the other worker holds is whole.
        assert soon(lambda: len(workers(service) - {gone}) == 2, 60)
        for _ in range(10):
            assert shelves(service) == expected
    finally:
        stop(service)


def workers(service: Service) -> set[int]:
    """Processes that hold a copy of the release, each by its lock."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            held = [one.readlink() for one in (process / "fd").iterdir()]
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        lock = f"{service.home.ids[0]}.lock"
        if parent == service.process.pid and any(one.name == lock for one in held):
            found.add(int(process.name))
    return found
