"""docs/extending.md, another relation: what stands there is done, and the graph has it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from colisten.graph.build import build_graph
from colisten.settings.engine import Engine
from tests.conftest import CUT

ROOT = Path(__file__).parents[2]
GUIDE = (
    (ROOT / "docs/extending.md").read_text().split("\n## Another relation\n")[1].split("\n## ")[0]
)
ROWS, CODE = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
BUILD = """
import sys
from pathlib import Path

import numpy as np

import colisten
from colisten.settings.tree import load_settings
from colisten.graph.build import build_graph
from colisten.training.hgnn import embed_catalogue, train_hgnn
from tests.conftest import CUT
from tests.graph.sections import of_graph, of_hgnn

here, history = map(Path, sys.argv[1:])
assert Path(colisten.__file__).is_relative_to(here), colisten.__file__
supervised = "hgnn.supervised=[co_listened, co_followed]"
settings = load_settings(None, (supervised, "hgnn.dim=8", "hgnn.max_steps=2", "threads=1"))
graph = build_graph(history, as_of=CUT, **of_graph(settings))
counted = {name[1]: each.num_edges for name, each in graph.relations.items()}
assert 0 < counted["co_followed"] < counted["co_listened"], counted
text = np.random.default_rng(0).normal(size=(graph.num_items, 8)).astype(np.float32)
result = train_hgnn(graph, text, **of_hgnn(settings), out=here / "hgnn")
assert "mrr_audiobook_co_followed_audiobook" in result.curve[-1], result.curve
embed_catalogue(result.model, graph, text)
"""


def test_rows_make_a_relation(
    tiny_history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_history, tmp_path / "tables")
    monkeypatch.chdir(tmp_path)
    exec(compile(ROWS, "docs/extending.md", "exec"), {})
    graph = build_graph(tmp_path / "tables", as_of=CUT, engine=Engine(threads=1))
    linked = {name: each.num_edges for name, each in graph.relations.items() if "same" in name[1]}
    assert linked == {
        ("audiobook", "same narrator", "audiobook"): 2,
        ("podcast", "same narrator", "audiobook"): 1,
        ("audiobook", "same narrator", "podcast"): 1,
    }


@pytest.mark.slow
def test_a_relation_counted_in_code_is_two_files(tiny_history: Path, tmp_path: Path) -> None:
    new, changed = re.findall(r"`([\w/]+\.py)`", GUIDE)
    for package in ("colisten", "tests"):
        shutil.copytree(ROOT / package, tmp_path / package)
    (tmp_path / new).write_text(CODE)
    text = (tmp_path / changed).read_text()
    for hunk in re.findall(r"```diff\n(.*?)```", GUIDE, flags=re.DOTALL):
        lines = hunk.splitlines(keepends=True)
        old, now = ("".join(line[1:] for line in lines if line[0] in kind) for kind in (" -", " +"))
        assert text.count(old) == 1
        text = text.replace(old, now)
    (tmp_path / changed).write_text(text)
    subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path), str(tiny_history)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        timeout=300,
    )
