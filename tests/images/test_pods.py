"""The service's pod as the local overlay renders it, in its image: up, held, drained, replaced."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import ServedHome
from tests.feature_folders import live_features
from tests.images.engine import USER, Engine
from tests.images.pods import TOKEN, Pod, played
from tests.serving.wire import Load, post

pytestmark = pytest.mark.slow

READY_SECONDS = 300.0
NEVER_READY_SECONDS = 60.0
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
SHELF = {"user_id": "u0001", "k": 3}
# Takes memory until there is none, and asks that all others be ended before it, the first process
# too, with which the container goes.
FILLING = """
import os
for one in filter(str.isdigit, os.listdir("/proc")):
    if int(one) != os.getpid():
        with open(f"/proc/{one}/oom_score_adj", "w") as score:
            score.write("1000")
held = []
while True:
    held.append(bytearray(os.urandom(1 << 20)))
"""


def until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + READY_SECONDS
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.5)


def shelf(pod: Pod) -> str:
    """By what a known user's shelf was made."""
    answer = httpx.post(f"{pod.url}/v1/recommend", json=SHELF, headers=SHOWN, timeout=30)
    return str(answer.json()["how"]["vector"])


def test_a_ready_pod_answers_for_its_user_and_is_held_as_its_manifest_says(
    engine: Engine, served_home: ServedHome, tmp_path: Path
) -> None:
    with played(engine, served_home.folder, tmp_path) as pod:
        until(pod.ready, "it is not ready")
        assert shelf(pod) == "two_tower"
        look = "id -u; touch /x 2>&1; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/1/status"
        said = pod.podman("exec", pod.name, "sh", "-c", f"{look}; true").split()
        assert said[0] == str(USER)
        assert "Read-only" in said
        assert said[-6:] == ["CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2"]


def test_a_pod_that_is_told_to_end_loses_no_request(
    engine: Engine, served_home: ServedHome, tmp_path: Path
) -> None:
    with played(engine, served_home.folder, tmp_path) as pod:
        until(pod.ready, "it is not ready")
        load = Load()
        seconds = asyncio.run(_ended_under_load(pod, load))
        assert seconds < pod.grace
        assert pod.state("ExitCode") == "0"
    assert load.lost == []
    assert set(load.statuses) == {200}
    assert load.statuses[200] > 100
    print(f"{load.statuses[200]} answers, ended within {seconds:.1f} s")


async def _ended_under_load(pod: Pod, load: Load) -> float:
    """Ten clients ask until it has ended; how long that took from the moment it was told."""
    asking = post("/v1/recommend", SHELF, **SHOWN)
    ended = asyncio.Event()

    async def conduct() -> float:
        await asyncio.sleep(2)
        begun = time.monotonic()
        await asyncio.to_thread(pod.podman, "stop", f"--time={pod.grace}", pod.name)
        ended.set()
        return time.monotonic() - begun

    clients = [load.ask(pod.url, asking, ended.is_set) for _ in range(10)]
    seconds, *_ = await asyncio.gather(conduct(), *clients)
    return float(seconds or 0)


def test_a_pod_whose_features_are_gone_is_never_ready_and_says_why(
    engine: Engine, served_home: ServedHome, tmp_path: Path
) -> None:
    damaged = shutil.copytree(served_home.folder, tmp_path / "home", symlinks=True)
    (live_features(damaged) / "registry.db").unlink()
    with played(engine, damaged, tmp_path) as pod:
        until(lambda: _listens(pod), "it does not listen")
        end = time.monotonic() + NEVER_READY_SECONDS
        while time.monotonic() < end:
            assert not pod.ready()
            time.sleep(2)
        told = httpx.get(f"{pod.operators}/v1/release", headers=SHOWN, timeout=30).json()
        features = told["parts"]["features"]
        assert not features["ok"]
        assert features["reason"] == "features_error"
        assert features["why"]
        # It lives on: another start would change nothing and tell nobody.
        assert pod.state("Running") == "true"
        assert pod.podman("inspect", pod.name, "--format", "{{.RestartCount}}") == "0"


def _listens(pod: Pod) -> bool:
    try:
        return httpx.get(f"{pod.url}/livez", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_a_pod_that_fills_its_memory_is_ended_and_comes_back(
    engine: Engine, served_home: ServedHome, tmp_path: Path
) -> None:
    with played(engine, served_home.folder, tmp_path, memory="1Gi") as pod:
        until(pod.ready, "it is not ready")
        before = pod.state("StartedAt")
        engine.containers.run(["podman", "exec", pod.name, "python3", "-c", FILLING])
        until(lambda: pod.state("StartedAt") != before, "it was not started anew")
        until(pod.ready, "it does not come back")
        assert shelf(pod) == "two_tower"
