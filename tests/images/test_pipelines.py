"""Pipelines whose steps are containers, asserted on what they leave.

What a retraining leaves is carried through a bucket to another path, served there, refreshed there
and watched there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from colisten.components.image import IMAGES
from colisten.json_files import read_json
from colisten.release.payload import HGNN_FILES
from colisten.release.store import ReleaseStore
from supply.images import LIST
from tests.conftest import CUT, heeding_signals
from tests.images.engine import USER, Engine
from tests.runs import WINDOW_DAYS, command
from tests.s3_server import make_bucket, s3_client, s3_server

pytestmark = pytest.mark.slow

EARLIER = CUT - timedelta(days=WINDOW_DAYS)
"""Cut of the retraining; the refresh, a window later, is measured on what it has not seen."""


class Watch:
    """Notes how the containers of a run are held, while they are there."""

    def __init__(self, engine: Engine, address: str, home: Path) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self._address, self._home = address, home
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        import docker

        client = docker.DockerClient(base_url=self._address)
        while not self._ended.wait(0.3):
            try:
                found = client.containers.list(filters={"label": f"colisten.run={self._home}"})
                for one in found:
                    self.held.setdefault(one.id, one.attrs)
            except docker.errors.NotFound:
                continue
        client.close()


@dataclass(frozen=True)
class Runner:
    """Runs pipelines in the built images."""

    engine: Engine
    images: Path
    address: str

    def run(self, pipeline: str, data: Path, out: Path, cut: datetime) -> Watch:
        """Run one on a folder, and note how its containers were held."""
        line = command(
            data,
            out,
            *("--cut", cut.date().isoformat()),
            *("--runner", "docker", "--images", str(self.images / LIST), "--memory", "3g"),
            door=("pipeline", "run", pipeline),
        )
        with Watch(self.engine, self.address, out) as watch:
            done = subprocess.run(
                line,
                env={**os.environ, "DOCKER_HOST": self.address},
                capture_output=True,
                text=True,
                timeout=1_200,
                check=False,
                preexec_fn=heeding_signals,
            )
        log = out / "pipeline" / "run.log"
        said = done.stderr + (log.read_text()[-3000:] if log.exists() else "")
        assert done.returncode == 0, said
        return watch


@pytest.fixture(scope="module")
def runner(engine: Engine, images: Path, address: str) -> Runner:
    return Runner(engine, images, address)


@pytest.fixture(scope="module")
def data(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables that whoever runs a step may read."""
    data = Path(shutil.copytree(tiny_source, tmp_path_factory.mktemp("data") / "tables"))
    data.chmod(0o755)
    return data


@pytest.fixture(scope="module")
def retrained(
    runner: Runner, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Watch]:
    """OUT of a retraining in containers, and how those were held."""
    out = tmp_path_factory.mktemp("retrained") / "out"
    out.mkdir()
    os.chown(out, USER, USER)
    return out, runner.run("retrain", data, out, EARLIER)


@pytest.fixture(scope="module")
def carried(retrained: tuple[Path, Watch], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the retraining left, its artifacts too, out of a bucket at another path."""
    out, _ = retrained
    elsewhere = tmp_path_factory.mktemp("carried") / "elsewhere" / "home"
    with s3_server() as url:
        make_bucket(url, "artifacts")
        client = s3_client(url)
        for file in out.rglob("*"):
            if file.is_file():
                client.upload_file(str(file), "artifacts", file.relative_to(out).as_posix())
        for page in client.get_paginator("list_objects_v2").paginate(Bucket="artifacts"):
            for each in page["Contents"]:
                to = elsewhere / each["Key"]
                to.parent.mkdir(parents=True, exist_ok=True)
                client.download_file("artifacts", each["Key"], str(to))
    for path in (elsewhere, *elsewhere.rglob("*")):
        os.chown(path, USER, USER)
    return elsewhere


def test_retraining_in_containers_leaves_a_live_release(retrained: tuple[Path, Watch]) -> None:
    out, _ = retrained
    store = ReleaseStore(out)
    manifest = store.show(store.resolve())
    assert manifest.release_id == read_json(out / "metrics.json")["release"]["release_id"]
    for name in ("recommendations.parquet", "reports"):
        assert (out / name).exists(), name
    # Whatever steps wrote is that of whom they ran as; ours are the locks and the log.
    strange = {path.relative_to(out).parts[0] for path in out.rglob("*") if not path.stat().st_uid}
    assert strange <= {"pipeline"}
    assert (out / "releases").stat().st_uid == USER


def assert_held(watch: Watch) -> set[str]:
    """That containers could change and reach nothing; their images."""
    images = set()
    for attributes in watch.held.values():
        host, config = attributes["HostConfig"], attributes["Config"]
        assert host["ReadonlyRootfs"] is True
        assert host["NetworkMode"] == "none"
        assert host["Memory"] == 3 << 30
        assert config["User"] == f"{USER}:{USER}"
        images.add(attributes["Image"])
    return images


def test_its_steps_were_held(retrained: tuple[Path, Watch]) -> None:
    _, watch = retrained
    assert len(watch.held) >= 10
    assert len(assert_held(watch)) == len(IMAGES)


def test_nothing_of_a_run_is_left_in_the_engine(
    retrained: tuple[Path, Watch], engine: Engine
) -> None:
    assert engine.containers.answer("podman", "ps", "--all", "--quiet") == ""


# Other tests may be computing meanwhile.
SECONDS = 60

ASK = """
import json, sys, time, urllib.request
address, user = sys.argv[1:]
body = json.dumps({"user_id": user, "k": 3}).encode()
head = {"content-type": "application/json"}
while True:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:
            break
    except OSError:
        time.sleep(0.1)
with urllib.request.urlopen(
    urllib.request.Request(f"{address}/v1/recommend", body, head), timeout=10
) as answer:
    print(answer.read().decode())
"""


def test_the_release_is_served_elsewhere(carried: Path, engine: Engine, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mounted"
    subprocess.run(["cp", "--archive", carried, elsewhere], check=True)
    began = time.monotonic()
    options = ["--network=none", f"--volume={elsewhere}:/home/colisten:rw", "--memory=2g"]
    with engine.started("serving", options=options) as name:
        line = ["podman", "exec", name, "python3", "-c", ASK]
        done = subprocess.run(
            [*line, "http://127.0.0.1:3000", "u0001"],
            env=engine.containers.environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr[-3000:]
    print(f"first answer after {seconds:.1f} s")
    answer = read_answer(done.stdout, tmp_path)
    assert answer["release_id"] == ReleaseStore(carried).resolve()
    assert answer["how"]["vector"] == "two_tower"
    assert answer["how"]["fallbacks"] == []
    assert len(answer["items"]) == 3
    assert seconds < SECONDS


def read_answer(text: str, folder: Path) -> Any:
    file = folder / "answer.json"
    file.write_text(text)
    return read_json(file)


def test_a_refresh_goes_on_from_what_was_carried_and_trains_no_graph(
    carried: Path, runner: Runner, data: Path
) -> None:
    store = ReleaseStore(carried)
    before = store.show(store.resolve())
    watch = runner.run("refresh", data, carried, CUT)
    assert_held(watch)
    after = store.show(store.resolve())
    assert (before.as_of, after.as_of) == (EARLIER.isoformat(), CUT.isoformat())
    for name in HGNN_FILES:
        assert after.files[name].sha256 == before.files[name].sha256
    assert after.files["item_vectors.npy"].sha256 != before.files["item_vectors.npy"].sha256
    said = " ".join(" ".join(each["Config"]["Cmd"] or ()) for each in watch.held.values())
    assert "train_towers" in said
    assert "train_hgnn" not in said


def test_drift_is_watched_in_containers(carried: Path, runner: Runner, data: Path) -> None:
    page = carried / "reports" / "drift.html"
    page.unlink(missing_ok=True)
    assert_held(runner.run("monitor", data, carried, CUT))
    assert "drift" in page.read_text().lower()
