"""What images are made of is named by digest, and by rules that are looked at."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

import pytest
import yaml
from packaging.utils import canonicalize_name

from colisten.components.image import IMAGES as NAMED
from colisten.components.image import STEP_TARGETS
from colisten.steps.registry import STEPS
from supply.image_locks import (
    IMAGES,
    LOCKED,
    TARGETS,
    TRIALS,
    image_lock,
    locked_lines,
    packages,
)
from supply.images import write_images
from supply.lock import LOCK

PROJECT = tomllib.loads((IMAGES.parent / "pyproject.toml").read_text())["project"]


def requires() -> dict[str, list[str]]:
    """What the installed packages ask for; colisten as pyproject.toml says now."""
    found: dict[str, list[str]] = {}
    found |= {
        canonicalize_name(one.metadata["Name"]): one.requires or [] for one in distributions()
    }
    found["colisten"] = [
        *PROJECT["dependencies"],
        *(
            f"{line}; extra == '{extra}'"
            for extra, lines in PROJECT["optional-dependencies"].items()
            for line in lines
        ),
    ]
    return found


@pytest.mark.parametrize("target", LOCKED)
def test_a_lock_is_the_part_that_the_target_names(target: str) -> None:
    names = packages(LOCKED[target], requires())
    wanted = image_lock(locked_lines(LOCK), names)
    assert (IMAGES / f"{target}.lock").read_text() == wanted, "`make lock` makes it anew"


def test_images_that_share_layers_hold_what_lies_below() -> None:
    light = set(locked_lines(IMAGES / "light.lock"))
    for target in ("training", "monitoring"):
        assert light <= set(locked_lines(IMAGES / f"{target}.lock")), target


def test_a_package_that_is_locked_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="has no absent"):
        image_lock(["present==1 --hash=sha256:0"], {"present", "absent"})


def test_every_step_has_an_image_that_is_built() -> None:
    assert set(STEPS) <= set(STEP_TARGETS)
    assert set(STEP_TARGETS.values()) <= set(NAMED)
    assert set(NAMED) <= set(TARGETS)


def test_every_target_is_built_by_the_containerfile_and_nothing_else() -> None:
    lines = (IMAGES / "Containerfile").read_text().splitlines()
    stages = {line.split(" AS ")[1] for line in lines if line.startswith("FROM ")}
    packages_first = {f"{target}-packages" for target in TARGETS}
    assert stages == {"wheels", "base", "triton", *TARGETS, *packages_first, *TRIALS}
    # A step's image runs what the executor says.
    assert not any(line.startswith("ENTRYPOINT") for line in lines)


def test_what_manifests_are_tried_with_is_built_where_it_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not set(TRIALS) & set(TARGETS), "`make images` builds all of TARGETS"
    # Debian's packages lie in a base of their own, which another base has not.
    base = f"debian@sha256:{'0' * 64}"
    for target in TRIALS:
        with pytest.raises(SystemExit, match="2"):
            write_images([target, "--base", base])
        assert f"{target} are made of Debian's packages" in capsys.readouterr().err


def test_milvus_is_told_every_place_that_its_template_leaves_open() -> None:
    spec = find_spec("milvus")
    assert spec is not None
    assert spec.origin is not None
    template = Path(spec.origin).with_name("data").joinpath("config.yaml.template").read_text()
    unpacking = run_path(str(IMAGES / "unpack_milvus.py"))
    told = yaml.safe_load(unpacking["configuration"](template))
    assert "{{" not in unpacking["configuration"](template)
    assert told["proxy"]["port"] == 19530
    assert told["log"]["file"]["rootPath"] == ""
    data = unpacking["DATA"]
    for place in (
        told["etcd"]["data"]["dir"],
        told["localStorage"]["path"],
        told["rocksmq"]["path"],
    ):
        assert place.startswith(f"{data}/")
    # Whatever is said is asked for.
    for name in unpacking["SAID"]:
        assert f"{{{{ {name}" in template, name


def test_the_containerfile_is_clean() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, IMAGES / "Containerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
