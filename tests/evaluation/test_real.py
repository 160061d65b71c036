"""The protocol on real listeners gives the published popularity row.

Needs a folder of real data sets, named by COLISTEN_REAL_DATA; skipped without.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from colisten.data.catalogue import Catalogue
from colisten.evaluation.split import evaluation_set
from colisten.evaluation.table import evaluate
from colisten.ranking.popularity import popularity
from colisten.ranking.rankers import PopularityRanker, RandomRanker, Ranker
from colisten.settings.sections import EvaluationSettings
from tests.evaluation.conftest import event_log

CUT = datetime(2013, 11, 15, tzinfo=UTC)
REAL = os.environ.get("COLISTEN_REAL_DATA", "")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="COLISTEN_REAL_DATA names no folder")
def test_popularity_on_groceries_and_kitchenware() -> None:
    folder = Path(REAL) / "amazon_food_kitchen"
    items = pq.read_table(folder / "items.parquet")
    catalogue = Catalogue(items.sort_by([("item_type", "ascending"), ("item_id", "ascending")]))
    events = event_log(folder, catalogue)
    data = evaluation_set(events, cut=CUT, window_days=90)
    counts = popularity(events, CUT, 90)
    rankers: list[Ranker] = [
        PopularityRanker("popularity", counts),
        RandomRanker(data.num_candidates),
    ]
    table = evaluate(rankers, data, EvaluationSettings(), 0)
    assert table.users == {"all": 3836, "warm": 2916, "cold": 920}
    assert (table.candidates, table.unreachable_targets) == (8217, 0)
    row = table.row("popularity").metrics
    assert round(row["HR@10"].value or 0, 4) == 0.0404
    assert round(row["MRR"].value or 0, 4) == 0.0213
    assert round(row["coverage"].value or 0, 3) == 0.016
    assert round(table.value("popularity", "HR@10", "warm") or 0, 4) == 0.0466
    assert round(table.value("popularity", "HR@10", "cold") or 0, 4) == 0.0207
    lead = table.lead("HR@10")
    assert lead is not None
    assert lead.model == "popularity"
    assert lead.sure
