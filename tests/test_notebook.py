"""The notebook walks a real run from its first cell to its last."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import colisten
from colisten.settings.tree import load_settings
from tests.conftest import CUT

NOTEBOOK = Path(__file__).parent.parent / "docs" / "walk_a_release.ipynb"
QUICK = (
    "hgnn.max_steps=20",
    "hgnn.batch_size=64",
    "towers.epochs=2",
    "towers.min_steps=0",
    "towers.batch_size=64",
    "evaluation.bootstrap=200",
)


def cells(kind: str) -> list[dict[str, Any]]:
    return [each for each in json.loads(NOTEBOOK.read_text())["cells"] if each["cell_type"] == kind]


def test_it_is_committed_without_what_it_printed() -> None:
    assert len(cells("code")) > 5
    for cell in cells("code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        ast.parse("".join(cell["source"]))
    assert NOTEBOOK.stat().st_size < 20_000


def test_its_links_lead_somewhere() -> None:
    text = "".join(line for cell in cells("markdown") for line in cell["source"])
    targets = re.findall(r"\]\((?!http)([^)#]+)", text)
    assert targets
    assert [target for target in targets if not (NOTEBOOK.parent / target).exists()] == []


@pytest.mark.slow
def test_it_walks_a_run(tiny_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    out = tmp_path / "out"
    colisten.run(tiny_source, CUT, out, load_settings(None, QUICK), window_days=30)
    monkeypatch.setenv("COLISTEN_OUT", str(out))
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]), prepend=":")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3")
    client.execute(cwd=str(NOTEBOOK.parent))
    printed = "".join(
        output.get("text", "") or output["data"].get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type in ("stream", "execute_result", "display_data")
    )
    user = printed.split("The shelf of ")[1].split()[0]
    for item in colisten.load_release(out).recommend(user, k=3):
        assert str(item.title) in printed
    assert "2T-HGNN is weakest on" in printed
    assert (out / "reports" / "explain.html").is_file()
