from __future__ import annotations

import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.data.catalogue import Catalogue
from colisten.errors import ReportError
from colisten.explain.tables import RunTables, find_tables
from tests.conftest import CUT

STAMP = pa.timestamp("us", tz="UTC")


@pytest.fixture
def runs(home: Path, tmp_path: Path) -> Path:
    """The tables of three runs: the same cut twice, then a later one of another cut."""
    source = home / "pipeline" / "runs" / "run-1"
    for age, name in enumerate(("later", "second", "first")):
        copy = shutil.copytree(source, tmp_path / "pipeline" / "runs" / name)
        summary = copy / "check-tables" / "history" / "summary.json"
        if name == "later":
            summary.write_text(summary.read_text().replace("2025-06-30", "2025-07-30"))
        moment = 1_700_000_000 - age * 100
        os.utime(summary, (moment, moment))
    return tmp_path


def item_ids(out: Path) -> list[str]:
    history = next(out.glob("pipeline/runs/first/check-tables/history"))
    return [str(one) for one in Catalogue.read(history).item_ids]


def test_the_latest_tables_of_the_releases_own_cut_and_items(runs: Path) -> None:
    asked = {"release_id": "r1", "as_of": CUT.isoformat()}
    found, catalogue = find_tables(runs, item_ids=item_ids(runs), **asked)
    assert found.history.parts[-3] == "second"
    assert found.holdout == found.history.with_name("holdout")
    assert found.cut == CUT
    assert len(catalogue) == 100
    with pytest.raises(ReportError, match=r"r1 .*runs/\*/check-tables"):
        find_tables(runs, item_ids=item_ids(runs)[1:], **asked)


def test_leftovers_of_a_killed_run_are_passed_over(runs: Path) -> None:
    ids = item_ids(runs)
    (runs / "pipeline/runs/second/check-tables/history/items.parquet").unlink()
    (runs / "pipeline/runs/later/check-tables/history/summary.json").write_text("{")
    found, _ = find_tables(runs, release_id="r1", as_of=CUT.isoformat(), item_ids=ids)
    assert found.history.parts[-3] == "first"


@pytest.mark.parametrize(
    ("last", "days"),
    [
        (None, 0),
        (CUT, 1),
        (CUT + timedelta(hours=30), 2),
        (CUT + timedelta(days=2), 3),
        (CUT - timedelta(seconds=1), 0),
    ],
)
def test_the_window_holds_its_last_event(tmp_path: Path, last: datetime | None, days: int) -> None:
    moments = [] if last is None else [last]
    table = pa.table({"timestamp": pa.array(moments, STAMP)})
    pq.write_table(table, tmp_path / "interactions.parquet")
    assert RunTables(tmp_path, tmp_path, CUT).window_days == days
    assert RunTables(tmp_path, tmp_path / "gone", CUT).window_days == 0
