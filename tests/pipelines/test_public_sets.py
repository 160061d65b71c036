"""The public sets keep the contract, are as large as the page says, and end in a release.

Needs a folder of real data sets, named by COLISTEN_REAL_DATA; skipped without.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import colisten
from benchmarks.public_sets import IFDB, SETS, PublicSet
from colisten.cli.app import answer
from colisten.json_files import parse_json
from colisten.settings.tree import load_settings
from tests.docs.page import ROOT
from tests.pipelines.test_small_worlds import LEAST

REAL = os.environ.get("COLISTEN_REAL_DATA", "")
# Before the window that the benchmark measures.
CUT, DAYS = datetime(2020, 1, 1, tzinfo=UTC), timedelta(days=365)
PARTS = ("items", "interactions")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL, reason="COLISTEN_REAL_DATA names no folder of real tables"),
]


@pytest.mark.parametrize("of", SETS, ids=lambda of: of.name)
def test_a_set_keeps_the_contract_and_is_as_large_as_the_page_says(
    of: PublicSet, capsys: pytest.CaptureFixture[str]
) -> None:
    code = answer(["check", "--data", str(Path(REAL) / of.folder), "--json"])
    told = parse_json(capsys.readouterr().out)
    assert (code, told["ok"]) == (0, True)
    found = told["report"]
    sizes = [found[part][kind] for kind in ("audiobook", "podcast") for part in PARTS]
    page = (ROOT / "docs/benchmarks.md").read_text()
    (said,) = re.findall(rf"(?m)^\| `{of.folder}` \| (.*) \|$", page)
    assert re.findall(r"\d+(?:,\d+)*", said) == [
        f"{size:,}" for size in (*sizes, found["rows"]["users"])
    ]


def test_a_thinned_set_ends_in_a_release(tmp_path: Path) -> None:
    thinned(Path(REAL) / IFDB.folder, tmp_path / "tables", most=150)
    settings = load_settings(None, (*LEAST, "evaluation.baselines=false", "text.max_chars=40"))
    made = colisten.run(tmp_path / "tables", CUT, tmp_path / "out", settings, window_days=DAYS.days)
    assert made.table.users["all"] > 10
    release = colisten.load_release(tmp_path / "out")
    assert release.release_id == made.release_id
    # Titles, authors and tags as people wrote them reach the shelf as they are.
    texts = pq.read_table(tmp_path / "tables/items.parquet", columns=["item_id", "title"])
    titles = dict(zip(*(column.to_pylist() for column in texts.columns), strict=True))
    shelf = release.recommend(colisten.User(country="GB"), k=5)
    assert len(shelf) == 5
    assert [each.title for each in shelf] == [titles[each.item_id] for each in shelf]


def thinned(source: Path, tables: Path, *, most: int) -> None:
    """Write the tables with the most active users up to a window's end and their commonest items.

    Args:
        source: Folder of whole tables.
        tables: Folder to write.
        most: Users; of items three times as many.
    """
    tables.mkdir()
    events = pq.read_table(source / "interactions.parquet")
    events = events.filter(pc.less(events.column("timestamp"), pa.scalar(CUT + DAYS)))
    for column, number in (("user_id", most), ("item_id", 3 * most)):
        counted = pc.value_counts(events.column(column)).to_pylist()
        order = sorted(counted, key=lambda each: (-each["counts"], each["values"]))
        kept = pa.array([each["values"] for each in order[:number]])
        events = events.filter(pc.is_in(events.column(column), kept))
    for name, column in (("users", "user_id"), ("items", "item_id")):
        table = pq.read_table(source / f"{name}.parquet")
        known = pc.is_in(table.column(column), events.column(column).unique())
        pq.write_table(table.filter(known), tables / f"{name}.parquet")
    pq.write_table(events, tables / "interactions.parquet")
