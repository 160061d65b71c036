"""A step's code is what it can reach, and words in it are no code."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import colisten
from colisten.steps.code import OURS, code_digest, reachable
from colisten.steps.registry import STEPS

ROOT = Path(colisten.__file__).parent.parent
# What comes before plans: later steps' keys hold the values it finds, not its code.
TRAINING = STEPS[STEPS.index("check_tables") : STEPS.index("evaluate")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, which nobody leaves changed: reading all of it takes seconds."""
    home = tmp_path_factory.mktemp("copy")
    # The rooms that lie beside the library here are inside it in the copy, as in a wheel.
    shutil.copytree(ROOT / OURS, home / OURS, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    return home


def digests(home: Path) -> dict[str, str]:
    return {name: code_digest(f"colisten.steps.{name}", home) for name in STEPS}


def changed(home: Path, file: str, edit: Callable[[str], str]) -> set[str]:
    """Steps whose code an edit changes."""
    before = digests(home)
    path = home / file
    text = path.read_text()
    edited = edit(text)
    assert edited != text
    path.write_text(edited)
    try:
        after = digests(home)
    finally:
        path.write_text(text)
    return {name for name in STEPS if before[name] != after[name]}


def test_a_copy_has_the_same_digests(home: Path) -> None:
    assert digests(home) == digests(ROOT)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace('"""', '"""Other words. ', 1),
        lambda text: text + "\n# A comment.\n",
        lambda text: re.sub(r'(def \w+\([^)]*\)[^:]*:\n    """)', r"\1Really: ", text),
    ],
    ids=["module", "comment", "functions"],
)
def test_words_change_no_key(home: Path, edit: Callable[[str], str]) -> None:
    for file in ("colisten/models/towers.py", "colisten/files.py", "colisten/pages.py"):
        assert changed(home, file, edit) == set(), file


def test_the_help_of_a_setting_changes_no_key(home: Path) -> None:
    def edit(text: str) -> str:
        return text.replace('description="', 'description="In short: ')

    assert changed(home, "colisten/settings/sections.py", edit) == set()


def test_a_statement_changes_the_steps_that_reach_it(home: Path) -> None:
    def edit(text: str) -> str:
        return text + "\nREADY = True\n"

    towers = changed(home, "colisten/models/towers.py", edit)
    assert "train_towers" in towers
    assert not towers & (set(TRAINING) - {"train_towers"})
    hgnn = changed(home, "colisten/models/hgnn.py", edit)
    assert "train_hgnn" in hgnn
    runs_it = {"train_hgnn", "embed_items"}
    assert not hgnn & (set(TRAINING) - runs_it)
    assert set(STEPS) == changed(home, "colisten/files.py", edit)


def test_what_comes_after_training_repeats_no_training() -> None:
    rooms = ("cli", "explain", "index", "release", "reports", "serving", "experiments")
    for name in TRAINING:
        own = set(reachable(f"colisten.steps.{name}"))
        later = {each for each in own if each.startswith("monitoring")}
        for room in rooms:
            # What a step hands on is described beside, in a module of its own.
            later |= {each for each in own if each.startswith(f"colisten.{room}")}
        if name != "train_towers":  # its epochs are chosen by the measure that counts
            later |= {each for each in own if each.startswith("colisten.evaluation")}
        assert not later, name


def test_imports_inside_functions_count_and_those_for_types_do_not(tmp_path: Path) -> None:
    package = tmp_path / "colisten"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import colisten.b\n"
        "def f():\n    from colisten import c\n    import numpy\n",
        "b": "",
        "c": "from colisten.d import name",
        "d": "name = 1",
    }.items():
        (package / f"{name}.py").write_text(text)
    assert set(reachable("colisten.a", tmp_path)) == {
        "colisten",
        "colisten.a",
        "colisten.c",
        "colisten.d",
    }


def test_templates_beside_a_module_count(tmp_path: Path) -> None:
    (tmp_path / "colisten" / "templates").mkdir(parents=True)
    for name in ("__init__.py", "page.py", "templates/page.html"):
        (tmp_path / "colisten" / name).write_text("")
    before = code_digest("colisten.page", tmp_path)
    (tmp_path / "colisten" / "templates" / "page.html").write_text("<p>")
    assert code_digest("colisten.page", tmp_path) != before
