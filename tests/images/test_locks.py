"""What images are made of is named by digest, and by rules that are looked at."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from colisten.components.image import IMAGES as NAMED
from colisten.components.image import STEP_TARGETS
from colisten.steps.registry import STEPS
from supply.image_locks import IMAGES, TARGETS, image_lock, locked_lines, packages
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


@pytest.mark.parametrize("target", TARGETS)
def test_a_lock_is_the_part_that_the_target_names(target: str) -> None:
    names = packages(TARGETS[target], requires())
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
    assert stages == {"wheels", "base", "triton", *TARGETS, *packages_first}
    # A step's image runs what the executor says.
    assert not any(line.startswith("ENTRYPOINT") for line in lines)


def test_the_containerfile_is_clean() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, IMAGES / "Containerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
