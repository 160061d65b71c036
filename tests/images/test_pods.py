"""The service's pod as the local overlay renders it, in its image: up, personal, held, ended."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import ServedHome
from tests.images.engine import USER, Engine
from tests.images.pods import TOKEN, Pod, played

pytestmark = pytest.mark.slow

READY_SECONDS = 120.0


@pytest.fixture(scope="module")
def pod(
    engine: Engine, served_home: ServedHome, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pod]:
    with played(engine, served_home.folder, tmp_path_factory.mktemp("pod")) as started:
        wait_until_ready(started)
        yield started


def wait_until_ready(pod: Pod) -> None:
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            if httpx.get(f"{pod.url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < end, "it is not ready"
        time.sleep(0.5)


def test_a_pod_that_is_ready_answers_for_its_user(pod: Pod) -> None:
    shelf = httpx.post(
        f"{pod.url}/v1/recommend",
        json={"user_id": "u0001", "k": 3},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=30,
    ).json()
    assert shelf["how"] == {
        **{"vector": "two_tower", "search": "exact"},
        **{"fallbacks": [], "unknown": []},
    }


def test_it_is_held_as_the_manifest_says(pod: Pod) -> None:
    look = "id -u; touch /x 2>&1; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/1/status"
    said = pod.podman("exec", pod.name, "sh", "-c", f"{look}; true").split()
    assert said[0] == str(USER)
    assert "Read-only" in said
    assert said[-6:] == ["CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2"]


def test_it_ends_by_itself_within_its_grace(pod: Pod) -> None:
    began = time.monotonic()
    pod.podman("stop", f"--time={pod.grace}", pod.name)
    assert time.monotonic() - began < pod.grace
    assert pod.podman("inspect", pod.name, "--format", "{{.State.ExitCode}}") == "0"
