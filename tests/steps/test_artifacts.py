"""An artifact is saved whole, read as it was, and alone knows its file names."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from colisten.data.contract import TABLES
from colisten.errors import PipelineError
from colisten.files import folder_digests
from colisten.steps.artifacts.base import Artifact
from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.measures import RankedLists
from colisten.steps.artifacts.models import HGNNModel, Towers
from colisten.steps.artifacts.release import Decision
from colisten.steps.artifacts.reports import HtmlPage, Metrics
from colisten.steps.artifacts.rows import TrainingRows
from colisten.steps.artifacts.tables import Events
from colisten.steps.artifacts.vectors import Factors, ItemVectors, TextVectors

ROOT = Path(__file__).parent.parent.parent
HOME = ROOT / "colisten" / "steps" / "artifacts"
ROOMS = ("cli", "components", "pipelines", "colisten/steps")
MADE: dict[str, Artifact] = {
    "text": TextVectors(np.eye(3, dtype=np.float32)),
    "vectors": ItemVectors(np.eye(2), np.ones((2, 2, 2)), np.zeros((2, 2))),
    "factors": Factors(np.ones((2, 0)), np.zeros((2, 0))),
    "rows": TrainingRows(pa.table({"user_id": ["a"]}), pa.table({"user_id": ["b"]})),
    "decision": Decision(True, ["It is good."], []),
    "metrics": Metrics({"loss": 0.5, "none": None}),
}


@pytest.mark.parametrize("name", MADE)
def test_what_was_saved_is_read_as_it_was(name: str, tmp_path: Path) -> None:
    made = MADE[name]
    saved = made.save(tmp_path / "deep" / name)
    loaded = type(made).load(tmp_path / "deep" / name)
    for field in made.__dataclass_fields__:  # type: ignore[attr-defined]
        before, after = getattr(made, field), getattr(loaded, field)
        if isinstance(before, np.ndarray):
            assert isinstance(after, np.memmap)
            np.testing.assert_array_equal(before, after)
        else:
            assert before == after, field
    assert made.digest == saved.digest == loaded.digest
    assert [path.name for path in (tmp_path / "deep").iterdir()] == [name]


def test_other_content_has_another_digest() -> None:
    assert TextVectors(np.eye(3)).digest != TextVectors(np.eye(4)).digest


def test_a_folder_stays_where_it_lies_and_is_linked_elsewhere(tmp_path: Path) -> None:
    window = tmp_path / "window"
    window.mkdir()
    (window / "interactions.parquet").write_bytes(b"events")
    events = Events(window)
    assert events.save(window).folder == window
    other = events.save(tmp_path / "other")
    assert folder_digests(other.folder) == folder_digests(window)
    assert other.digest == events.digest
    (window / "interactions.parquet").unlink()
    assert (tmp_path / "other" / "interactions.parquet").read_bytes() == b"events"


@pytest.mark.parametrize(
    "kind", [Events, GraphSet, HGNNModel, Towers, RankedLists, TextVectors, TrainingRows, Metrics]
)
def test_nothing_and_something_else_are_refused(kind: type[Artifact], tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=kind.__name__):
        kind.load(tmp_path / "nowhere")
    (tmp_path / "other").mkdir()
    with pytest.raises(PipelineError, match=kind.__name__):
        kind.load(tmp_path / "other")


def test_what_cannot_be_read_back_gets_no_name(tmp_path: Path) -> None:
    (tmp_path / "towers").mkdir()
    with pytest.raises(PipelineError, match="Towers"):
        Towers(tmp_path / "towers").save(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    with pytest.raises(ValueError, match="pickle"):
        TextVectors(np.array([{}], dtype=object)).save(tmp_path / "objects")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["towers"]


def test_a_page_is_a_file(tmp_path: Path) -> None:
    from colisten.pages import page

    saved = HtmlPage(page("Title", "<p>text</p>")).save(tmp_path / "page")
    again = saved.save(tmp_path / "again")
    assert "<p>text</p>" in (tmp_path / "again").read_text()
    assert saved.digest == again.digest


def test_no_other_module_names_a_file_of_an_artifact() -> None:
    """Whoever hands artifacts on asks their types, which are in one folder."""
    # What the contract's tables are called is the contract's affair.
    names = set[str]().union(*map(file_names, HOME.glob("*.py")))
    names -= {table.file_name for table in TABLES}
    assert {"rows.parquet", "validation.json", "fold-{}.arrow", "user_tower.onnx"} <= names
    for room in ROOMS:
        for file in sorted((ROOT / room).glob("**/*.py")):
            if file.parent != HOME:
                assert not names & file_names(file), file


def file_names(file: Path) -> set[str]:
    """Texts of a module that name a file of an artifact, by its suffix."""
    texts = {
        node.value
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if Path(text).suffix in SUFFIXES}


SUFFIXES = {".arrow", ".npy", ".parquet", ".onnx", ".safetensors", ".json", ".yaml"}
