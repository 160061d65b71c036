"""Files of versions say what pyproject.toml says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
# Whose lowest versions the quick suite is run on.
TESTED = {"duckdb", "numpy", "pandas", "pyarrow", "torch", "torch-geometric"}


def allowed() -> dict[str, list[Requirement]]:
    """Every requirement of the project and its extras, by package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        lines += extra
    found: dict[str, list[Requirement]] = {}
    for requirement in map(Requirement, lines):
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def pins(name: str) -> dict[str, Version]:
    """Package to version of a file of constraints, in which every line is an exact one."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line[:1] not in ("", "#")]
    exact = [line.split("==") for line in lines]
    return {canonicalize_name(package): Version(version) for package, version in exact}


def test_the_lowest_versions_are_the_lower_bounds() -> None:
    lowest = pins("constraints-lowest.txt")
    assert set(lowest) == TESTED
    for package, version in lowest.items():
        for requirement in allowed()[package]:
            bounds = [part for part in requirement.specifier if part.operator == ">="]
            assert [Version(bound.version) for bound in bounds] == [version], requirement


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-lowest.txt"])
def test_what_is_pinned_is_allowed(name: str) -> None:
    requirements = allowed()
    for package, version in pins(name).items():
        for requirement in requirements.get(package, []):
            assert version in requirement.specifier, requirement
