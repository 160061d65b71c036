"""The example in docs/evaluation.md runs as written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from colisten.evaluation.table import EvaluationTable
from colisten.ranking.rankers import Ranker
from tests.conftest import CUT

GUIDE = Path(__file__).parents[2] / "docs/evaluation.md"


def test_the_example_measures_two_models(
    tiny_source: Path, tiny_history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = tmp_path / "out/steps/check_tables-1"
    shutil.copytree(tiny_history, tables / "history")
    holdout = tables / "holdout"
    holdout.mkdir()
    late = pq.read_table(tiny_source / "interactions.parquet", filters=[("timestamp", ">=", CUT)])
    pq.write_table(late, holdout / "interactions.parquet")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    table, rankers = names["table"], names["rankers"]
    assert isinstance(table, EvaluationTable)
    assert isinstance(rankers, list)
    assert table.cut == CUT.isoformat()
    assert table.users["all"] > 20
    measured: list[Ranker] = rankers
    assert table.models == tuple(ranker.name for ranker in measured)
    assert "leads" in (tmp_path / "evaluation.html").read_text()
