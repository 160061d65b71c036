"""The picture over tiers shows the subject, its strongest rivals and chance, tier by tier."""

from __future__ import annotations

import numpy as np

from colisten.config import settings_from
from colisten.evaluation.rankers import RandomRanker, Ranker
from colisten.evaluation.slices import finer_slices
from colisten.evaluation.table import EvaluationTable, evaluate
from colisten.reports.evaluation import to_html
from colisten.reports.tiers import RIVALS, shown_models, tier_lines, tier_names
from tests.evaluation.conftest import Scores, catalogue_of, perfect, random_set

SETTINGS = settings_from({"evaluation": {"bootstrap": 50, "depth": 20}})
USERS, ITEMS = 200, 60


def measured() -> EvaluationTable:
    data = random_set(USERS, ITEMS)
    matrix = perfect(data).matrix
    rng = np.random.default_rng(0)
    rankers: list[Ranker] = [RandomRanker(ITEMS)]
    for at in range(7):
        noise = (0.4 + 0.2 * at) * rng.normal(size=matrix.shape)
        rankers.append(Scores("2T-HGNN" if at == 3 else f"rival {at}", matrix + noise))
    streams = np.concatenate([np.arange(50, 0, -1), np.zeros(10)])
    catalogue = catalogue_of([f"a{at:03d}" for at in range(ITEMS)])
    finer = finer_slices(data, catalogue, streams, np.ones(USERS))
    return evaluate(rankers, data, SETTINGS, 0, finer=finer)


def test_the_strongest_rivals_stand_beside_the_subject() -> None:
    table = measured()
    shown = shown_models(table)
    assert shown == ["2T-HGNN", "rival 0", "rival 1", "rival 2", "rival 4", "random"]
    assert len(shown) == RIVALS + 2
    assert tier_names(table) == [*(f"tier {at}" for at in range(1, 6)), "new items"]


def test_every_shown_model_has_a_line_over_every_tier() -> None:
    table = measured()
    for metric in ("HR@10", "coverage"):
        drawn = tier_lines(table, metric)
        assert drawn.count("<polyline") == RIVALS + 2
        assert drawn.count("<title>rival 0: ") == 6
        assert drawn.count('<polyline class="own"') == drawn.count('<polyline class="chance"') == 1
    page = to_html(table)
    assert page.count("<svg") == 12
    assert "coverage by popularity tier" in page
