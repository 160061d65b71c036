"""A run whose steps are containers, asserted on what it leaves; then served at another path."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from colisten.components.image import IMAGES
from colisten.errors import ConfigError, PipelineError
from colisten.json_files import read_json
from colisten.pipelines.local import run_local
from colisten.pipelines.step_containers import StepContainers, read_images
from colisten.release.store import ReleaseStore
from supply.images import LIST
from tests.conftest import heeding_signals
from tests.images.engine import USER, Engine
from tests.runs import command

pytestmark = pytest.mark.slow

MIB = 1 << 20


@dsl.component(base_image=IMAGES["light"], install_kfp_package=False)
def refuse(number: int) -> None:
    raise ValueError(f"{number} is too much")


@dsl.component(base_image=IMAGES["light"], install_kfp_package=False)
def take(mebibytes: int) -> int:
    return len(bytearray(mebibytes << 20))


@dsl.component(base_image=IMAGES["light"], install_kfp_package=False)
def read_variable(name: str) -> str:
    import os

    return os.environ.get(name, "")


@dsl.pipeline(name="refusing")
def refusing(number: int) -> None:
    refuse(number=number)


@dsl.pipeline(name="taking")
def taking(mebibytes: int) -> int:
    return take(mebibytes=mebibytes).output


@dsl.pipeline(name="reading")
def reading(name: str) -> str:
    return read_variable(name=name).output


@pytest.fixture(scope="module")
def address(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """DOCKER_HOST of an engine that has the images."""
    with engine.service(tmp_path_factory.mktemp("engine")) as address:
        yield address


@pytest.fixture
def home(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of nobody's, for runs in this process."""
    monkeypatch.setenv("DOCKER_HOST", address)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, USER, USER)
    return home


def contained(images: Path, home: Path, **more: Any) -> StepContainers:
    return StepContainers(read_images(images / LIST), home, **more)


def test_a_step_that_fails_fails_the_run(images: Path, home: Path) -> None:
    # kfp itself may find the container gone, and takes that for success.
    for _ in range(3):
        with pytest.raises(PipelineError, match=r"'refuse' failed(?s:.*)7 is too much"):
            run_local(refusing, {"number": 7}, root=home / "p", containers=contained(images, home))


def test_a_step_that_takes_too_much_memory_is_said_to(images: Path, home: Path) -> None:
    held = contained(images, home, memory="300m")
    with pytest.raises(PipelineError, match="took more memory"):
        run_local(taking, {"mebibytes": 1000}, root=home / "p", containers=held)
    assert run_local(taking, {"mebibytes": 50}, root=home / "p", containers=held) == {
        "Output": 50 * MIB
    }


def test_a_step_is_given_the_variables_that_settings_name(
    images: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAMED", "said")
    monkeypatch.setenv("UNNAMED", "kept")
    held = contained(images, home, variables=("NAMED",))
    for name, value in (("NAMED", "said"), ("UNNAMED", "")):
        outputs = run_local(reading, {"name": name}, root=home / "p", containers=held)
        assert outputs == {"Output": value}


def test_no_step_runs_as_root(images: Path, home: Path) -> None:
    os.chown(home, 0, 0)
    with pytest.raises(ConfigError, match="no step runs as root"):
        run_local(taking, {"mebibytes": 1}, root=home / "p", containers=contained(images, home))


def test_no_engine_is_said(images: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{home}/nobody.sock")
    with pytest.raises(PipelineError, match="No container engine answers"):
        run_local(taking, {"mebibytes": 1}, root=home / "p", containers=contained(images, home))


class Watch:
    """Notes how the containers of a run are held, while they are there."""

    def __init__(self, engine: Engine, address: str, home: Path) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self._address, self._home = address, home
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
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


@pytest.fixture(scope="module")
def retrained(
    engine: Engine,
    images: Path,
    address: str,
    tiny_source: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Watch]:
    """OUT of a retraining in containers, and how those were held."""
    place = tmp_path_factory.mktemp("retrained")
    data = Path(shutil.copytree(tiny_source, place / "tables"))
    data.chmod(0o755)
    out = place / "out"
    out.mkdir()
    os.chown(out, USER, USER)
    by_docker = command(
        data,
        out,
        *("--runner", "docker", "--images", str(images / LIST), "--memory", "3g"),
        door=("pipeline", "run"),
    )
    with Watch(engine, address, out) as watch:
        done = subprocess.run(
            by_docker,
            env={**os.environ, "DOCKER_HOST": address},
            capture_output=True,
            text=True,
            timeout=1_200,
            check=False,
            preexec_fn=heeding_signals,
        )
    log = out / "pipeline" / "run.log"
    assert done.returncode == 0, done.stderr + (log.read_text()[-3000:] if log.exists() else "")
    return out, watch


def test_retraining_in_containers_leaves_a_live_release(retrained: tuple[Path, Watch]) -> None:
    out, _ = retrained
    store = ReleaseStore(out)
    manifest = store.show(store.resolve())
    assert manifest.release_id == read_json(out / "metrics.json")["release"]["release_id"]
    for name in ("recommendations.parquet", "reports"):
        assert (out / name).exists(), name
    # Whatever steps wrote is that of whom they ran as; ours are the locks and the log.
    strange = {path.relative_to(out).parts[0] for path in out.rglob("*") if path.owner() == "root"}
    assert strange <= {"pipeline"}
    assert (out / "releases").stat().st_uid == USER


def test_its_steps_were_held(retrained: tuple[Path, Watch]) -> None:
    _, watch = retrained
    assert len(watch.held) >= 10
    images = set()
    for attributes in watch.held.values():
        host, config = attributes["HostConfig"], attributes["Config"]
        assert host["ReadonlyRootfs"] is True
        assert host["NetworkMode"] == "none"
        assert host["Memory"] == 3 << 30
        assert config["User"] == f"{USER}:{USER}"
        images.add(attributes["Image"])
    assert len(images) == len(IMAGES)


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


def test_the_release_is_served_elsewhere(
    retrained: tuple[Path, Watch], engine: Engine, tmp_path: Path
) -> None:
    out, _ = retrained
    tar = tmp_path / "home.tar"
    kept = [each.name for each in out.iterdir() if each.name not in ("pipeline", "cache")]
    subprocess.run(["tar", "cf", tar, "-C", out, *kept], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(["tar", "xpf", tar, "-C", elsewhere], check=True)
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
    assert answer["release_id"] == ReleaseStore(out).resolve()
    assert answer["how"]["vector"] == "two_tower"
    assert answer["how"]["fallbacks"] == []
    assert len(answer["items"]) == 3
    assert seconds < SECONDS


def read_answer(text: str, folder: Path) -> Any:
    file = folder / "answer.json"
    file.write_text(text)
    return read_json(file)


def test_images_of_a_list_are_named_by_digest(images: Path) -> None:
    found = read_images(images / LIST)
    assert set(found) == set(IMAGES.values())
    assert all("@sha256:" in reference for reference in found.values())
