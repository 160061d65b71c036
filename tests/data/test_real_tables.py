"""The checks and the split on real tables, where there are any.

COLISTEN_REAL_DATA names a folder with amazon_food_kitchen/, catalog_podcasts/ and
catalog_audiobooks/; without it these tests are skipped.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from colisten.data.checks import check_tables
from colisten.data.prepare import prepare_tables
from colisten.data.violations import TableMissing

REAL = os.environ.get("COLISTEN_REAL_DATA", "")

pytestmark = pytest.mark.skipif(
    not REAL, reason="COLISTEN_REAL_DATA names no folder of real tables"
)


def test_purchases_without_demographics_or_descriptions_are_sound() -> None:
    report = check_tables(Path(REAL) / "amazon_food_kitchen")
    assert report.items == {"audiobook": 8217, "podcast": 21029}
    assert report.interactions == {"audiobook": 67249, "podcast": 92057}
    assert report.listeners == report.rows["users"] == 16570
    assert report.signals["stream"] == report.rows["interactions"] == 159306
    assert f"{report.first:%F} {report.last:%F}" == "2003-05-11 2014-07-23"
    assert report.missing["users.country"] == report.missing["users.age"] == 1.0
    assert report.missing["audiobook.description"] == report.missing["podcast.language"] == 1.0
    assert report.missing["audiobook.title"] == 0.0
    assert report.music_dim is None
    assert any("midnight" in notice for notice in report.notices)


def test_purchases_split_at_the_cut(tmp_path: Path) -> None:
    cut = datetime(2013, 11, 15, tzinfo=UTC)
    summary = prepare_tables(
        Path(REAL) / "amazon_food_kitchen",
        tmp_path / "tables",
        cut=cut,
        window_days=90,
    )
    assert summary.rows["interactions.parquet"] == 105_676
    assert summary.rows["items.parquet"] == 29_246
    assert summary.rows["users.parquet"] == 16_570
    assert summary.duplicates == 0
    history = pq.read_table(tmp_path / "tables/history/interactions.parquet")
    holdout = pq.read_table(tmp_path / "tables/holdout/interactions.parquet")
    assert max(history.column("timestamp").to_pylist()) < cut
    assert min(holdout.column("timestamp").to_pylist()) >= cut


@pytest.mark.parametrize("catalogue", ["catalog_podcasts", "catalog_audiobooks"])
def test_a_catalogue_alone_lacks_its_interactions_and_nothing_else(catalogue: str) -> None:
    with pytest.raises(TableMissing) as raised:
        check_tables(Path(REAL) / catalogue)
    assert raised.value.place == "interactions"
