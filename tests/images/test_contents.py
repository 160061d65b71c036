"""What is in each image, what is not, and that its commands run as nobody on a read-only root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from colisten.components.image import STEP_TARGETS
from colisten.json_files import read_json
from colisten.steps.registry import STEPS as ALL_STEPS
from supply.image_locks import IMAGES, TARGETS, locked_lines
from supply.images import LIST
from tests.images.engine import USER, Engine

pytestmark = pytest.mark.slow

TOOLS = ("pip", "setuptools", "pytest", "ruff", "mypy", "faiss", "milvus_lite")
STEPS = ("kfp", "feast", "redis", "pymilvus", "cryptography", "boto3")
HAS = {
    "light": STEPS,
    "training": (*STEPS, "torch", "torch_geometric", "numba", "implicit", "sentence_transformers"),
    "monitoring": (*STEPS, "evidently"),
    "serving": (
        "bentoml",
        "feast",
        "redis",
        "pymilvus",
        "tritonclient.http",
        "cryptography",
        "boto3",
    ),
}
LACKS = {
    "light": ("torch", "evidently", "bentoml"),
    "training": ("evidently", "bentoml"),
    "monitoring": ("torch", "bentoml"),
    "serving": ("torch", "kfp", "evidently"),
}
# Of our own modules: all that its processes may come to.
ROOMS = {
    "serving": (
        *("colisten.serving", "colisten.release", "colisten.features", "colisten.store"),
        "colisten.cli",
    ),
    "light": (
        *("colisten.release", "colisten.features", "colisten.data", "colisten.store"),
        "colisten.cli",
    ),
    "training": ("colisten.training", "colisten.models", "colisten.evaluation"),
    "monitoring": ("colisten.monitoring", "colisten.reports"),
}
MOST_BYTES = {"serving": 700e6}

LOOK = """
import json, os, shutil, sys, urllib.request
from importlib import import_module
from importlib.util import find_spec, cache_from_source
from pathlib import Path
from pkgutil import walk_packages

has, lacks, rooms, steps = json.loads(sys.argv[1])
found = {"uid": os.getuid(), "faults": [], "there": [name for name in lacks if find_spec(name)]}

def tried(name):
    try:
        import_module(name)
    except Exception as error:
        found["faults"].append(f"{name}: {type(error).__name__}: {error}")

for name in has:
    tried(name)
for room in rooms:
    path = import_module(room).__path__
    for module in walk_packages(path, room + ".", onerror=lambda name: None):
        if not module.name.endswith("__main__"):
            tried(module.name)
for step in steps:
    tried(f"colisten.steps.{step}")
    tried(f"colisten.components.{step}.component")
import colisten
site = Path(colisten.__file__).parents[1]
own = map(str, Path(colisten.__file__).parent.rglob("*.py"))
found["uncompiled"] = [file for file in own if not Path(cache_from_source(file)).exists()]
tools = ("pip", "apt", "gcc", "cc", "make", "strip", "curl")
found["tools"] = [name for name in tools if shutil.which(name)]
found["setuid"] = [
    str(Path(top) / name)
    for top, _, names in os.walk("/usr")
    for name in names
    if (Path(top) / name).lstat().st_mode & 0o6000
]
for place in ("/", "/opt/colisten", str(site), "/home"):
    try:
        Path(place, "written").write_text("")
        found["faults"].append(f"{place} is written to")
    except OSError:
        pass
try:
    urllib.request.urlopen("http://192.0.2.1", timeout=2)
    found["faults"].append("a network")
except OSError:
    pass
print(json.dumps(found))
"""


def looked(engine: Engine, target: str) -> dict[str, Any]:
    steps = [step for step in ALL_STEPS if STEP_TARGETS[step] == target]
    asked = [HAS[target], (*LACKS[target], *TOOLS), ROOMS[target], steps]
    done = engine.run(target, "python3", "-c", LOOK, json.dumps(asked))
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def allowed(fault: str) -> bool:
    """Modules that say which extra they need, and those of Milvus Lite, which no image holds."""
    return ": ConfigError:" in fault and "pip install" in fault


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_what_its_processes_import_and_no_more(engine: Engine, target: str) -> None:
    found = looked(engine, target)
    assert found["uid"] == USER
    assert found["there"] == []
    assert found["tools"] == []
    assert found["setuid"] == []
    assert found["uncompiled"] == []
    faults = [fault for fault in found["faults"] if not allowed(fault)]
    assert faults == []


@pytest.mark.parametrize("target", TARGETS)
def test_a_store_can_be_asked_with_what_is_left_of_amazons_descriptions(
    engine: Engine, target: str
) -> None:
    program = "import boto3; print(boto3.client('s3', region_name='eu-north-1').meta.endpoint_url)"
    done = engine.run(target, "python3", "-c", program)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "https://s3.eu-north-1.amazonaws.com"


@pytest.mark.parametrize("target", TARGETS)
def test_the_command_runs(engine: Engine, target: str) -> None:
    done = engine.run(target, "colisten", "--help")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "release" in done.stdout


def test_images_are_listed_by_digest_with_their_packages(images: Path) -> None:
    listed = read_json(images / LIST)
    assert set(listed["images"]) == set(TARGETS)
    for target, one in listed["images"].items():
        assert one["reference"].partition("@")[2].startswith("sha256:")
        assert one["size"] < MOST_BYTES.get(target, 4e9), one["size"]
        names = {line.partition(" ")[0].partition("==")[0] for line in packages_locked(target)}
        there = {text.partition(" ")[0] for text in one["packages"]}
        assert set(map(canonicalize_name, names)) - set(map(canonicalize_name, there)) == set()
        assert {"python3.11", "ca-certificates"} <= there
        bill = read_json(images / f"{target}.cdx.json")
        assert bill["bomFormat"] == "CycloneDX"


def packages_locked(target: str) -> list[str]:
    return locked_lines(IMAGES / f"{target}.lock")


def test_what_an_image_says_of_itself(engine: Engine) -> None:
    for target, reference in engine.references.items():
        text = engine.containers.answer("podman", "image", "inspect", reference)
        (looked,) = json.loads(text)
        config = looked["Config"]
        assert config["User"] == f"{USER}:{USER}"
        assert "Entrypoint" not in config
        assert ("Cmd" in config and config["Cmd"][0] == "colisten") == (target == "serving")
        assert "PATH=/opt/colisten/bin:/usr/local/bin:/usr/bin:/bin" in config["Env"]
        labels = config["Labels"]
        assert labels["org.opencontainers.image.version"] == "0.1.0"
        assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
        assert not [line for line in config["Env"] if "INDEX" in line or "PIP_" in line]
