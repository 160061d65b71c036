"""The service as the manifests start it: its command line, its settings, its probes, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest
import yaml

from k8s.checks.command import Command, services
from k8s.checks.memory import ARBITER_BYTES, WORKER_BYTES
from k8s.checks.rendered import at
from tests.conftest import ServedHome
from tests.k8s.kubectl import rendered
from tests.serving.conftest import free_port

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-the-tests"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
START_SECONDS = 180.0


@dataclass(frozen=True)
class Pod:
    """A process that was started as the local overlay says, but for where it lies and listens."""

    process: subprocess.Popen[bytes]
    command: Command
    url: str
    operators: str

    def ask(self, kind: str) -> int:
        """What a probe of the manifest is answered, as the kubelet asks: 0 where nobody answers."""
        path = at(self.command.container, kind, "httpGet", "path")
        try:
            return httpx.get(f"{self.url}{path}", timeout=5).status_code
        except httpx.TransportError:
            return 0


@pytest.fixture(scope="module")
def pod(served_home: ServedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    (command,) = services(rendered("overlays/local"))
    options = command.options
    folder, port, operators = tmp_path_factory.mktemp("pod"), free_port(), free_port()
    text = command.file(options["--config"])
    assert text is not None
    settings = yaml.safe_load(text)
    settings["serving"]["operator_port"] = operators
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    here = {
        "--out": str(served_home.folder),
        "--config": str(folder / "settings.yaml"),
        "--port": str(port),
    }
    words = [word for word in command.words if word.partition("=")[0] not in here]
    words += [f"{name}={value}" for name, value in here.items()]
    (folder / "tmp").mkdir()
    environment = os.environ | {"COLISTEN_TOKEN": TOKEN, "TMPDIR": str(folder / "tmp")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], stdout=log, stderr=subprocess.STDOUT, env=environment
        )
    started = Pod(process, command, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{operators}")
    try:
        yield started
    finally:
        process.kill()
        process.wait(30)


def waited_for(pod: Pod, kind: str) -> None:
    end = time.monotonic() + START_SECONDS
    while pod.ask(kind) != 200:
        assert pod.process.poll() is None, "it has ended"
        assert time.monotonic() < end, kind
        time.sleep(0.2)


def test_every_probe_is_answered_without_a_token(pod: Pod) -> None:
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        waited_for(pod, kind)
    assert httpx.get(f"{pod.url}/v1/health").status_code == 401


def test_a_shelf_is_personal(pod: Pod) -> None:
    waited_for(pod, "readinessProbe")
    body = {"user_id": "u0001", "k": 3}
    shelf = httpx.post(f"{pod.url}/v1/recommend", json=body, headers=SHOWN, timeout=30).json()
    assert shelf["how"]["vector"] == "two_tower"


def test_metrics_are_at_the_operators_port_alone(pod: Pod) -> None:
    waited_for(pod, "readinessProbe")
    assert httpx.get(f"{pod.operators}/metrics").status_code == 401
    assert httpx.get(f"{pod.operators}/metrics", headers=SHOWN).status_code == 200
    assert httpx.get(f"{pod.url}/metrics", headers=SHOWN).status_code == 404


def test_it_holds_no_more_memory_than_the_manifests_count(pod: Pod) -> None:
    waited_for(pod, "readinessProbe")
    arbiter = psutil.Process(pod.process.pid)
    worker = max(arbiter.children(), key=lambda one: int(one.memory_info().rss))
    for process, counted in ((arbiter, ARBITER_BYTES), (worker, WORKER_BYTES)):
        held = process.memory_info().rss
        print(process.pid, held >> 20, "MiB")
        assert counted / 3 < held < counted, process.cmdline()


def test_it_ends_within_its_grace_and_says_that_it_does(pod: Pod) -> None:
    waited_for(pod, "readinessProbe")
    grace = pod.command.workload.pod["terminationGracePeriodSeconds"]
    slept = at(pod.command.container, "lifecycle", "preStop", "sleep", "seconds")
    settings = pod.command.settings
    assert settings is not None
    began = time.monotonic()
    pod.process.send_signal(signal.SIGTERM)
    time.sleep(settings.serving.drain_seconds / 2)
    assert pod.ask("readinessProbe") == 503
    assert pod.ask("livenessProbe") == 200, "it drains, and is not to be killed for that"
    assert pod.process.wait(grace) == 0
    took = time.monotonic() - began
    assert settings.serving.drain_seconds <= took < grace - slept
