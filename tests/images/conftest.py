"""The images, built beside the other tests where podman and buildah are installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from colisten.json_files import read_json
from supply.containers import Containers, cache_folder, missing_tools
from supply.image_locks import TRIALS
from supply.images import LIST, REGISTRY, build_images
from tests.ahead import Made
from tests.conftest import IMAGES
from tests.images.engine import Engine, refused_here


@pytest.fixture(scope="session")
def images(ahead: dict[str, Made]) -> Path:
    """The folder that `make images` fills."""
    if "images" not in ahead:
        pytest.skip(f"{IMAGES} is not set: images take minutes to build")
    if missing := missing_tools("mmdebstrap"):
        pytest.skip(f"not installed: {', '.join(missing)}")
    if refused := refused_here():
        pytest.skip(refused)
    folder, made = ahead["images"]
    done = made.result()
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


@pytest.fixture(scope="session")
def engine(images: Path) -> Engine:
    """podman on what was built."""
    return Engine(Containers(cache_folder()), references_in(images))


@pytest.fixture(scope="session")
def stores(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The same, with the servers that manifests are tried with."""
    out = tmp_path_factory.mktemp("stores")
    build_images(tuple(TRIALS), out=out, cache=cache_folder(), base=None, registry=REGISTRY)
    return Engine(engine.containers, {**engine.references, **references_in(out)})


def references_in(folder: Path) -> dict[str, str]:
    """The images that are listed in a folder, by target."""
    return {target: one["reference"] for target, one in read_json(folder / LIST)["images"].items()}


@pytest.fixture(scope="session")
def address(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """DOCKER_HOST of an engine that has the images."""
    with engine.service(tmp_path_factory.mktemp("engine")) as address:
        yield address
