"""Podcasts recommended with the help of audiobooks: the same road, both types swapped."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.test_commands import called
from tests.conftest import CUT

QUICK = (
    "hgnn.max_steps=5",
    "hgnn.batch_size=64",
    "cross_fitting.folds=2",
    "towers.epochs=1",
    "towers.min_steps=0",
    "towers.batch_size=64",
    "evaluation.bootstrap=100",
    "evaluation.baselines=false",
    "index.backend=exact",
)


@pytest.mark.slow
def test_a_podcast_shelf_is_trained_measured_over_seeds_and_released(
    tiny_source: Path, tmp_path: Path
) -> None:
    options = [part for setting in QUICK for part in ("--set", setting)]
    where = ("--data", str(tiny_source), "--cut", CUT.date().isoformat(), "--window-days", "30")
    what = ("--target", "podcast", "--seeds", "2")
    code, _, errors = called("run", *where, "--out", str(tmp_path), *what, *options)
    assert code == 0, errors
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["release"]["promoted"], metrics["release"]["reasons"]
    live = json.loads((tmp_path / "releases/LIVE").read_text())["release_id"]
    manifest = json.loads((tmp_path / "releases" / live / "manifest.json").read_text())
    assert manifest["target_type"] == "podcast"
    shelf = pq.read_table(tmp_path / "recommendations.parquet")
    assert {item[0] for item in shelf.column("item_id").to_pylist()} == {"p"}

    table = metrics["test"]
    assert (table["target_type"], table["candidates"]) == ("podcast", 60)
    # Who learns is trained twice, who does not is measured once.
    seeds = {row["model"]: row["seeds"] for row in table["rows"]}
    assert seeds == {
        "random": 1,
        "popularity (all time)": 1,
        "popularity": 1,
        "text-KNN": 1,
        "HGNN-mean": 2,
        "2T": 2,
        "2T-HGNN": 2,
    }
    assert metrics["seeds"] == [0, 1]
    before = {row["model"]: row["seeds"] for row in metrics["validation"]["rows"]}
    assert set(before.values()) == {1}
    # The first seed is the release's own training: its figure is among the two.
    (subject,) = [r for r in table["rows"] if (r["model"], r["slice"]) == ("2T-HGNN", "all")]
    first, second = subject["metrics"]["MRR"]["by_seed"]
    assert first != second
    assert subject["metrics"]["MRR"]["value"] == pytest.approx((first + second) / 2)
    page = (tmp_path / "reports" / "evaluation.html").read_text()
    assert f"{subject['metrics']['MRR']['value']:.4f}" in page
