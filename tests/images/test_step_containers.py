"""Steps that are containers: what they are given, and what is said of those that fail."""

import os
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from colisten.components.image import IMAGES
from colisten.errors import ConfigError, PipelineError
from colisten.pipelines.local import run_local
from colisten.pipelines.step_containers import StepContainers, read_images
from supply.images import LIST
from tests.images.engine import USER

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


def test_images_of_a_list_are_named_by_digest(images: Path) -> None:
    found = read_images(images / LIST)
    assert set(found) == set(IMAGES.values())
    assert all("@sha256:" in reference for reference in found.values())
