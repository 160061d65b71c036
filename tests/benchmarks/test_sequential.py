"""RecTools stays in an interpreter of its own: what goes there, what comes back, and without it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import rectools_rival, sequential
from tests.baselines.test_sasrec import successions

# Lists every user's newest items in place of learning anything.
STUB = """
import json, pathlib, sys
import pyarrow.parquet as pq
folder = pathlib.Path(sys.argv[1])
options = json.loads((folder / "options.json").read_text())
events = pq.read_table(folder / "interactions.parquet").to_pandas()
(folder.parent / "seen.json").write_text(json.dumps({**options, "columns": list(events.columns)}))
events = events[(events.item_id >= options["first"]) & (events.item_id < options["last"])]
events = events.sort_values("datetime", ascending=False)
events["rank"] = events.groupby("user_id").cumcount() + 1
import pyarrow as pa
lists = pa.Table.from_pandas(events[["user_id", "item_id", "rank"]])
pq.write_table(lists, folder / "lists.parquet")
"""


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in the place of RecTools; the folder that it tells what it saw in."""
    (tmp_path / "stub.py").write_text(STUB)
    monkeypatch.setattr(rectools_rival, "__file__", str(tmp_path / "stub.py"))
    monkeypatch.setenv(sequential.VARIABLE, sys.executable)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_lists_of_another_interpreter_become_scores(stub: Path) -> None:
    train = successions(60)
    scores = sequential.fit_rectools(train, {"n_blocks": 1, "epochs": 2}, 1, 3)(np.arange(60))
    had = train.matrix[:, :8].toarray() > 0
    assert scores.shape == (60, 8)
    np.testing.assert_array_equal(scores >= 1.0, had)
    seen = json.loads((stub / "seen.json").read_text())
    assert seen["columns"] == ["user_id", "item_id", "weight", "datetime"]
    assert (seen["first"], seen["last"], seen["k"], seen["seed"]) == (0, 8, 8, 3)
    assert seen["model"]["n_blocks"] == 1


def test_places_come_before_what_is_not_listed() -> None:
    train = successions(60)
    lists = pa.table({"user_id": [4, 2, 4], "item_id": [7, 1, 5], "rank": [2, 1, 1]})
    scores = sequential.listed_scores(train, lists)(np.array([2, 3, 4]))
    assert scores[0].argmax() == 1
    assert np.argsort(-scores[2])[:2].tolist() == [5, 7]
    # Nobody's list ranks as popularity does.
    np.testing.assert_array_equal(np.argsort(-scores[1][:4]), np.argsort(-scores[2][:4]))
    assert scores[1].max() <= 1.0


def test_a_failure_of_the_other_side_is_told(stub: Path) -> None:
    (stub / "stub.py").write_text("raise SystemExit('no torch here')")
    with pytest.raises(RuntimeError, match="no torch here"):
        sequential.fit_rectools(successions(60), {}, 1, 0)


def test_without_an_interpreter_it_says_how_to_make_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLISTEN_REAL_DATA", str(tmp_path))
    monkeypatch.delenv(sequential.VARIABLE, raising=False)
    sequential.run()
    said = capsys.readouterr().out
    assert sequential.VARIABLE in said
    assert "pip install 'rectools[torch]" in said
    monkeypatch.setenv(sequential.VARIABLE, str(tmp_path / "nothing"))
    sequential.run()
    assert capsys.readouterr().out == said
