"""The built wheel: what it holds, and that it runs where no checkout is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
ROOMS = ("cli", "components", "feature_repo", "monitoring", "pipelines", "serving")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Site-packages with nothing but the wheel of this tree, built from a copy."""
    folder = tmp_path_factory.mktemp("wheel")
    source, target = folder / "source", folder / "site"
    source.mkdir()
    for name in ("colisten", *ROOMS):
        # Links stay links, as in a checkout.
        shutil.copytree(
            ROOT / name,
            source / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([*PIP, "wheel", "--no-deps", "-w", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("colisten-*.whl")
    subprocess.run([*PIP, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target


def test_nothing_but_colisten_stands_at_the_top(installed: Path) -> None:
    names = {path.name for path in installed.iterdir()} - {"bin"}
    assert {name.partition("-")[0] for name in names} == {"colisten"}
    assert len(names) == 2, names
    assert (installed / "colisten" / "py.typed").is_file()


def test_it_holds_every_file_of_the_library_and_its_rooms(installed: Path) -> None:
    wanted = {
        path.relative_to(ROOT).as_posix()
        for top in [ROOT / "colisten", *(ROOT / "colisten" / room for room in ROOMS)]
        for path in top.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    there = {
        path.relative_to(installed).as_posix()
        for path in (installed / "colisten").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "colisten/serving/service.py" in wanted
    assert wanted == there
    assert not {name for name in there if "/tests/" in name or "/benchmarks/" in name}


def test_it_runs_outside_a_checkout(installed: Path, tmp_path: Path) -> None:
    # Dependencies come from this environment, without its own colisten.
    packages = tmp_path / "packages"
    packages.mkdir()
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if "colisten" not in each.name and each.suffix != ".pth":
            (packages / each.name).symlink_to(each)
    environment = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{packages}"}

    def python(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    for module in ("colisten", "colisten.cli.app", "colisten.serving.environment"):
        place = python("-c", f"import {module} as it; print(it.__file__)").strip()
        assert Path(place).is_relative_to(installed)
    assert "release" in python("-m", "colisten", "--help")
