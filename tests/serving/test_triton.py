"""A real Triton server as the towers' place: equal vectors, swaps, and its death under requests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput

from colisten.errors import TowerError
from colisten.features.users import UserBatch
from colisten.index import open_index
from colisten.release.store import ReleaseStore
from colisten.serving.environment import Environment
from colisten.serving.parts import TOWER
from colisten.serving.requests import RecommendRequest
from colisten.serving.runtime import Runtime
from colisten.settings.index import IndexSettings
from colisten.settings.tree import load_settings
from colisten.triton.inference import Connections
from colisten.triton.repository import model_name
from tests.serving.conftest import Home, Service, start, stop
from tests.triton_server import TritonServer

pytestmark = pytest.mark.slow
USERS = [f"u{at:04d}" for at in range(1, 9) if at % 5]
EXACT = IndexSettings(backend="exact")
SETTINGS = (
    "index.backend=exact",
    "serving.tower=triton",
    "serving.follow_seconds=0.05",
    "serving.inspect_seconds=0.2",
    "serving.features_budget_ms=5000",
    "serving.deadline_ms=1000",
    # Six of us share two cores with the server.
    "triton.deadline_ms=3000",
)


@pytest.fixture(scope="module")
def home(served_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A copy whose two releases are searched exactly, the first live."""
    folder = tmp_path_factory.mktemp("triton") / "out"
    shutil.copytree(served_home.folder, folder, ignore=shutil.ignore_patterns("work", "index"))
    store = ReleaseStore(folder)
    with open_index(folder, EXACT) as index:
        for release_id in served_home.ids:
            store.republish(release_id, index)
    return Home(folder, served_home.ids)


@pytest.fixture(scope="module")
def running(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    server = TritonServer(home.folder / "triton" / "models", tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def triton(running: TritonServer) -> TritonServer:
    """Alive, whatever the test before did to it."""
    running.kill()
    running.start()
    return running


@contextmanager
def opened(home: Home, triton: TritonServer, *settings: str) -> Iterator[Runtime]:
    tree = load_settings(None, (*SETTINGS, f"triton.url={triton.url}", *settings))
    runtime = Runtime.open(Environment(home.folder, tree))
    try:
        yield runtime
    finally:
        runtime.close()


def soon(true: Callable[[], object], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


def promote(home: Home, release_id: str) -> None:
    with open_index(home.folder, EXACT) as index:
        ReleaseStore(home.folder).promote(release_id, index)


def fallbacks(runtime: Runtime) -> list[str]:
    answer = runtime.recommend(RecommendRequest(user_id=USERS[0], k=5))
    assert answer.how.vector == "two_tower"
    return answer.how.fallbacks


def test_its_vectors_are_those_of_this_process(home: Home, triton: TritonServer) -> None:
    with opened(home, triton) as runtime:
        active = runtime._watcher.current
        assert active is not None
        release, golden = active.release, active.release.golden_set()
        batch = UserBatch.from_table(golden.rows, release.index_of, release.spec.fields)
        theirs, left = active.tower.vectors(batch)
        assert left is None
        np.testing.assert_allclose(theirs, release.user_vectors(batch), rtol=0, atol=1e-6)
        many = batch.take(np.arange(100) % len(batch))
        theirs, left = active.tower.vectors(many)
        assert (left, theirs.shape) == (None, (100, release.tower.dim))
        np.testing.assert_allclose(theirs, release.user_vectors(many), rtol=0, atol=1e-6)

        # And as somebody else's client reads them.
        client = InferenceServerClient(triton.url.removeprefix("http://"))
        features = InferInput("features", golden.features.shape, "FP32")
        features.set_data_from_numpy(golden.features)
        found = client.infer(model_name(release.release_id), [features]).as_numpy("vectors")
        client.close()
        np.testing.assert_allclose(found, golden.vectors, rtol=0, atol=1e-5)

        for user in USERS:
            answer = runtime.recommend(RecommendRequest(user_id=user, k=10))
            assert (answer.how.vector, answer.how.fallbacks) == ("two_tower", [])
        assert runtime.info().parts[TOWER].ok


def test_a_model_is_loaded_before_its_release_and_left_by_the_last_worker(
    home: Home, triton: TritonServer
) -> None:
    one, two = map(model_name, home.ids)
    promote(home, home.ids[0])
    with opened(home, triton) as quick:
        assert triton.models() == [one]
        with opened(home, triton, "serving.follow_seconds=3600") as slow:
            promote(home, home.ids[1])
            seen = set[tuple[str, ...]]()
            while (answer := quick.recommend(RecommendRequest(user_id=USERS[0], k=3))) and (
                answer.release_id == home.ids[0]
            ):
                seen.add(tuple(answer.how.fallbacks))
            seen.add(tuple(answer.how.fallbacks))
            assert seen == {()}, "neither the old nor the new release was without its model"
            time.sleep(2.0)  # the grace of requests that hold the old one, and a look
            assert triton.models() == sorted([one, two]), "the slow worker holds the first"
            assert fallbacks(slow) == []
        assert soon(lambda: triton.models() == [two])
        assert fallbacks(quick) == []
    assert triton.models() == [], "the last one out"
    promote(home, home.ids[0])


def test_a_model_that_answers_otherwise_is_not_asked_until_it_is_loaded_anew(
    home: Home, triton: TritonServer
) -> None:
    one, two = map(model_name, home.ids)
    with opened(home, triton):
        pass  # writes the first model
    models = home.folder / "triton" / "models"
    shutil.copytree(models / one, models / two, dirs_exist_ok=True)
    config = (models / two / "config.pbtxt").read_text().replace(one, two)
    (models / two / "config.pbtxt").write_text(config)
    client = InferenceServerClient(triton.url.removeprefix("http://"), network_timeout=60)
    client.load_model(two)  # the second's name, the first's tower
    client.close()
    promote(home, home.ids[1])
    try:
        with opened(home, triton) as runtime:
            assert runtime.live is not None
            assert runtime.live.release_id == home.ids[1]
            assert fallbacks(runtime) == [], "what was there was noticed and loaded anew"
            assert (models / two / "1/model.onnx").read_bytes() == (
                home.folder / "releases" / home.ids[1] / "user_tower.onnx"
            ).read_bytes()
    finally:
        promote(home, home.ids[0])


def test_a_full_queue_is_refused_at_once_and_is_no_outage(home: Home, triton: TritonServer) -> None:
    with opened(home, triton, "triton.queue=1", "serving.inspect_seconds=3600") as runtime:
        assert fallbacks(runtime) == []
        with backends_stopped(triton), ThreadPoolExecutor(8) as pool:
            begun = time.monotonic()
            waiting = [pool.submit(fallbacks, runtime) for _ in range(8)]
            rejected = [one.result() for one in waiting]
            assert time.monotonic() - begun < 10
        counted = Counter(reason for reasons in rejected for reason in reasons)
        # One is in work and one waits; Triton starts a backend that is stuck again meanwhile.
        assert counted["triton_refused"] >= 4, counted
        assert counted.keys() <= {
            *("triton_refused", "triton_timeout", "triton_error", "triton_resting"),
        }
        assert soon(lambda: fallbacks(runtime) == [])


@contextmanager
def backends_stopped(triton: TritonServer) -> Iterator[None]:
    """Models of Python answer nobody; Triton ends a backend that says nothing for a second or so,
    and starts it again.
    """
    stopped = _backends(triton)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def _backends(triton: TritonServer) -> list[int]:
    assert triton._process is not None
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(triton._process.pid)], capture_output=True, text=True
    )
    found = [int(word) for word in listed.stdout.split()]
    assert found
    return found


class Asking:
    """Threads that ask a service without a pause and keep what they got."""

    def __init__(self, service: Service, threads: int = 2) -> None:
        self._service = service
        self._ended = threading.Event()
        self.got: list[tuple[float, float, int, tuple[str, ...], str]] = []
        self._threads = [threading.Thread(target=self._ask, args=(at,)) for at in range(threads)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def since(self, moment: float) -> list[tuple[float, float, int, tuple[str, ...], str]]:
        return [one for one in self.got if one[0] >= moment]

    def _ask(self, at: int) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._ended.is_set():
                user = USERS[at % len(USERS)]
                begun = time.monotonic()
                answer = client.post(
                    f"{self._service.url}/v1/recommend", json={"user_id": user, "k": 5}
                )
                took = time.monotonic() - begun
                how = answer.json().get("how", {})
                row = (tuple(how.get("fallbacks", ())), str(how.get("vector")))
                self.got.append((begun, took, answer.status_code, *row))
                at += 1


def test_it_is_hung_and_killed_under_requests_and_comes_back(
    home: Home, triton: TritonServer, tmp_path: Path
) -> None:
    service = start(
        home,
        tmp_path / "log",
        *SETTINGS,
        f"triton.url={triton.url}",
        "triton.deadline_ms=300",
        "serving.deadline_ms=5000",
        workers=2,
    )
    try:
        with Asking(service) as asking:

            def healthy(moment: float) -> bool:
                rows = asking.since(moment)
                return len(rows) > 10 and all(not row[3] for row in rows[-10:])

            assert soon(lambda: healthy(0.0)), asking.got[-5:]

            hung = time.monotonic()
            triton.signal(signal.SIGSTOP)
            assert soon(lambda: any(row[3] for row in asking.since(hung)))
            assert soon(lambda: not service.get("/v1/release").json()["parts"][TOWER]["ok"])
            triton.signal(signal.SIGCONT)
            back = time.monotonic()
            assert soon(lambda: healthy(back)), asking.got[-5:]

            killed = time.monotonic()
            triton.kill()
            assert soon(lambda: any(row[3] for row in asking.since(killed)))
            time.sleep(1.0)
            triton.start()  # empty: models are loaded when they are asked for
            again = time.monotonic()
            assert soon(lambda: healthy(again)), asking.got[-5:]
        text = service.get("/metrics").text
    finally:
        stop(service)
    assert {row[2] for row in asking.got} == {200}
    assert {row[4] for row in asking.got} == {"two_tower"}, "nobody was answered by less"
    reasons = {reason for row in asking.got for reason in row[3]}
    assert reasons <= {
        *("triton_timeout", "triton_error", "triton_resting", "triton_absent", "triton_refused"),
    }
    assert {"triton_error"} <= reasons
    assert max(row[1] for row in asking.got) < 5.0
    assert 'colisten_fallbacks_total{reason="triton_error"}' in text
    assert 'colisten_vectors_total{place="in_process"}' in text
    assert triton.models() == [], "both workers left"


def test_a_backend_that_is_stopped_costs_its_deadline(home: Home, triton: TritonServer) -> None:
    connections = Connections(triton.url)
    with opened(home, triton) as runtime:
        active = runtime._watcher.current
        assert active is not None
        name, features = model_name(home.ids[0]), active.release.golden_set().features[:1]
        with backends_stopped(triton):
            begun = time.monotonic()
            with pytest.raises((TimeoutError, TowerError)):
                connections.infer(name, features, active.release.tower.dim, 0.2)
            assert time.monotonic() - begun < 1.0
        # The late answer is not taken for this one's.
        assert soon(lambda: fallbacks(runtime) == [])
        other = active.release.golden_set().features[1:2]
        found = connections.infer(name, other, active.release.tower.dim, 20.0)
        np.testing.assert_allclose(
            found, active.release.golden_set().vectors[1:2], rtol=0, atol=1e-5
        )
