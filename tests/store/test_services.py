"""Two services, two mirrors, one bucket and one Redis, while releases come and go under load."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from colisten.errors import StoreChanged
from colisten.feature_repo.repo import build_feature_repo
from colisten.features.repository import source_digest
from colisten.index import ExactIndex
from colisten.release.store import ReleaseStore
from colisten.serving.environment import Environment
from colisten.serving.requests import RecommendRequest
from colisten.serving.runtime import Runtime
from colisten.settings.index import IndexSettings
from colisten.settings.sections import FeatureSettings
from colisten.settings.tree import load_settings
from colisten.steps.online_features import fill_online, with_shared_rows
from colisten.steps.use_cases import release as use_case
from colisten.steps.use_cases.store import home_at, push_home
from colisten.store.address import StoreAddress
from tests.conftest import CUT, DATA, ServedHome
from tests.redis_server import redis_server
from tests.release.payloads import make_parts
from tests.serving.conftest import Service, free_port, ready, stop

EXACT = IndexSettings(backend="exact")
USERS = tuple(f"u{number:04d}" for number in range(1, 7))
PATIENT = (
    *("serving.follow_seconds=0.2", "serving.drain_seconds=0.2", "serving.deadline_ms=30000"),
    *("serving.features_budget_ms=5000", "serving.search_budget_ms=5000"),
)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as where:
        yield where


@pytest.fixture
def home(tiny_history: Path, tmp_path: Path, redis: str) -> tuple[Path, list[str]]:
    """Three releases and features in Redis; the first is live."""
    out = tmp_path / "producer" / "out"
    features = FeatureSettings(online_store="redis", redis=redis)
    built = build_feature_repo(
        tiny_history, tmp_path / "built", as_of=CUT, data=DATA, features=features
    )
    files, digest = with_shared_rows(built, features), source_digest(built)
    store, index, ids = ReleaseStore(out), ExactIndex(out / "index" / "exact"), []
    for seed in range(3):
        parts = make_parts(tmp_path / str(seed), tiny_history, CUT, seed=seed)
        payload = parts.payload(tmp_path / f"payload-{seed}", features=digest)
        ids.append(store.publish(payload, index, features=files))
    store.promote(ids[0], index, fill=partial(fill_online, out, features=features))
    return out, ids


def expected_of(home: Path, ids: list[str]) -> dict[tuple[str, str], list[str]]:
    """What each release answers to each user, by a folder and no store."""
    index = ExactIndex(home / "index" / "exact")
    expected: dict[tuple[str, str], list[str]] = {}
    for release_id in reversed(ids):
        ReleaseStore(home).promote(release_id, index)
        runtime = Runtime.open(
            Environment(home, load_settings(None, ("index.backend=exact", *PATIENT)))
        )
        for user in USERS:
            shelf = runtime.recommend(RecommendRequest(user_id=user, k=5))
            assert shelf.how.vector == "two_tower", shelf
            expected[release_id, user] = [item.item_id for item in shelf.items]
        runtime.close()
    return expected


def serve(address: StoreAddress, mirror: Path, log: Path) -> Service:
    port = free_port()
    command = [sys.executable, "-m", "colisten", "serve", "--store", str(address)]
    command += ["--out", str(mirror), "--port", str(port)]
    for override in PATIENT:
        command += ["--set", override]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ}
        )
    return Service(process, f"http://127.0.0.1:{port}", ServedHome(mirror, []), log)


class Load:
    """Asks both services for shelves until it is told to end, and keeps what it was told."""

    def __init__(self, services: list[Service]) -> None:
        self.answers: list[tuple[str, str, list[str]]] = []
        self.failed: list[str] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(one,)) for one in services]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, service: Service) -> None:
        with httpx.Client(base_url=service.url, timeout=30) as client:
            asked = 0
            while not self._ended.is_set():
                user = USERS[asked % len(USERS)]
                asked += 1
                try:
                    answer = client.post("/v1/recommend", json={"user_id": user, "k": 5})
                    if answer.status_code != 200:
                        self.failed.append(answer.text)
                        continue
                    shelf = answer.json()
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                    continue
                items = [item["item_id"] for item in shelf["items"]]
                self.answers.append((shelf["release_id"], user, items))
                time.sleep(0.01)


def both_serve(services: list[Service], release_id: str, seconds: float = 60) -> float:
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        infos = [service.get("/v1/release").json() for service in services]
        if all(info["release_id"] == release_id for info in infos):
            return time.monotonic() - began
        time.sleep(0.05)
    raise AssertionError(f"{release_id} is not served by both: {infos}")


def part_of(service: Service, wanted: bool, seconds: float = 60) -> dict[str, object]:
    """How the store is, once it is as wanted."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        part = service.get("/v1/release").json()["parts"]["store"]
        if part["ok"] is wanted:
            return dict(part)
        time.sleep(0.1)
    raise AssertionError(part)


def promote(address: StoreAddress, release_id: str) -> None:
    with home_at(address, [release_id], searched=EXACT) as home:
        use_case.promote_release(home, release_id, index=EXACT)


@pytest.mark.slow
def test_two_services_serve_one_generation(
    home: tuple[Path, list[str]],
    address: StoreAddress,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, ids = home
    one, two, three = ids
    expected = expected_of(out, ids)
    assert push_home(out, address) > 0
    services = [
        serve(address, tmp_path / "a" / "mirror", tmp_path / "a.log"),
        serve(address, tmp_path / "elsewhere" / "b", tmp_path / "b.log"),
    ]
    try:
        for service in services:
            ready(service)
        assert all(part_of(service, True) for service in services)
        load, times = Load(services), []
        promote(address, two)
        times.append(both_serve(services, two))
        with home_at(address) as work:
            use_case.roll_back(work, index=EXACT)
        times.append(both_serve(services, one))
        # Two writers at once: their folders are two machines'.
        outcomes = []
        barrier = threading.Barrier(2)

        def race(release_id: str, machine: str) -> None:
            try:
                raced(address, release_id, tmp_path / machine, barrier)
                outcomes.append(release_id)
            except StoreChanged as error:
                outcomes.append(str(error))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(race, (two, three), ("machine-1", "machine-2")))
        won = [outcome for outcome in outcomes if outcome in ids]
        told = [outcome for outcome in outcomes if outcome not in ids]
        assert len(won) == 1
        assert "Another writer was first" in told[0]
        assert won[0] in told[0]
        times.append(both_serve(services, won[0]))
        promote(address, three if won[0] == two else two)
        times.append(both_serve(services, three if won[0] == two else two))
        load.end()
    finally:
        for service in services:
            stop(service)
    assert load.failed == []
    mixed = [one for one in load.answers if expected[one[0], one[1]] != one[2]]
    assert mixed == []
    assert {release_id for release_id, _, _ in load.answers} == set(ids)
    print(f"{len(load.answers)} answers, 0 failed, 0 mixed; followed in {times}")


def raced(address: StoreAddress, release_id: str, folder: Path, barrier: threading.Barrier) -> None:
    """Promote as another machine would: fetch, wait for the other writer, promote, push."""
    from colisten.store.bucket import Bucket
    from colisten.store.mirror import Mirror
    from colisten.store.pushing import push

    mirror = Mirror(folder, Bucket(address))
    with mirror.turn():
        mirror.fetch([release_id])
        index = ExactIndex(folder / "index" / "exact")
        ReleaseStore(folder).republish(release_id, index)
        ReleaseStore(folder).promote(release_id, index)
        barrier.wait(60)
        push(mirror)


@pytest.mark.slow
def test_a_store_out_of_reach_changes_nothing(
    home: tuple[Path, list[str]],
    address: StoreAddress,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.store.test_crash import CutProxy

    out, (one, two, _) = home
    push_home(out, address)
    proxy = CutProxy(os.environ["AWS_ENDPOINT_URL_S3"])
    settings = load_settings(None, ("index.backend=exact", "serving.follow_seconds=0.1"))
    with monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        patched.setattr("colisten.store.bucket._CALM", impatient())
        runtime = Runtime.open(Environment(tmp_path / "mirror", settings, address))

    def wait_for(wanted: bool) -> None:
        end = time.monotonic() + 30
        while runtime.info().parts["store"].ok is not wanted:
            assert time.monotonic() < end, runtime.info().parts["store"]
            time.sleep(0.05)

    try:
        wait_for(True)
        assert runtime.ready
        proxy.left = 0
        wait_for(False)
        part = runtime.info().parts["store"]
        assert part.reason == "store_unreachable"
        assert "What was fetched before is served." in str(part.why)
        assert runtime.ready
        promote(address, two)
        assert runtime.recommend(RecommendRequest(user_id="u0001")).release_id == one
        # A start without reach serves the mirror.
        with monkeypatch.context() as patched:
            patched.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
            patched.setattr("colisten.store.bucket._CALM", impatient())
            again = Runtime.open(Environment(tmp_path / "mirror", settings, address))
        assert again.info().release_id == one
        assert again.info().parts["store"].reason == "store_unreachable"
        again.close()
        proxy.left = None
        wait_for(True)
        end = time.monotonic() + 30
        while runtime.info().release_id != two:
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        runtime.close()
        proxy.close()


def impatient() -> object:
    from botocore.config import Config

    return Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
