"""Limits of the library that hold from now on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("colisten", "components", "pipelines", "feature_repo", "serving", "monitoring", "cli")
FILES = sorted(
    file
    for room in ROOMS
    for file in (ROOT / room).rglob("*.py")
    if not any(folder.is_symlink() for folder in file.parents)
)
MOST_LINES = 400

# Where a whole tree of settings comes in, is split into sections, or is recorded.
OUTERMOST = (
    "cli/",
    "pipelines/parameters.py",
    "serving/launch.py",
    "colisten/release/manifest.py",
    "colisten/steps/cache.py",
    "colisten/steps/settings.py",
    "colisten/steps/trials.py",
    "colisten/steps/use_cases/",
    "colisten/training/towers/settings.py",
)
RETIRED = {
    *("echo", "seal", "shrink", "ladder", "Climb", "FeaturesDoor", "IndexDoor", "Guard", "Bundle"),
    *("Contest", "Touches", "Trial", "Trials", "Audience", "portrait", "Material", "Question"),
    *("rehearsal", "z_until", "_MEMORY", "cold_share", "least_steps"),
}


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def identifiers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def take_all_settings(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.arg)
        and node.annotation is not None
        and ast.unparse(node.annotation).strip("'\"") in ("Settings", "Settings | None")
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_file_keeps_the_limits(file: Path) -> None:
    text, name = file.read_text(), name_of(file)
    assert text.count("\n") <= MOST_LINES
    tree = ast.parse(text)
    assert not RETIRED & set(identifiers(tree))
    if not name.startswith(OUTERMOST):
        assert not take_all_settings(tree), "take the sections that are read"


OPENS_DUCKDB = "colisten/data/duckdb_connection.py"


@pytest.mark.parametrize(
    "file", [*FILES, *sorted((ROOT / "benchmarks").rglob("*.py"))], ids=name_of
)
def test_duckdb_is_opened_in_one_place(file: Path) -> None:
    if name_of(file) == OPENS_DUCKDB:
        return
    nodes = ast.walk(ast.parse(file.read_text()))
    opened = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
    assert not {"duckdb.connect", "ibis.duckdb.connect", "ibis.get_backend", "duckdb.sql"} & {
        *opened
    }, f"open it by {OPENS_DUCKDB}, which loads no extension"
