"""The evaluation page's planes: accuracy against coverage, and measures tier by tier."""

from __future__ import annotations

import numpy as np

from colisten.evaluation.slices import finer_slices
from colisten.evaluation.table import EvaluationTable, evaluate
from colisten.ranking.rankers import RandomRanker, Ranker
from colisten.reports.charts import BOTTOM, LEFT, RIGHT, TOP
from colisten.reports.evaluation import (
    BASELINES,
    scatter,
    shown_models,
    tier_names,
    tiers,
    to_html,
)
from colisten.reports.verdict import standing, verdicts
from colisten.settings.sections import EvaluationSettings
from tests.evaluation.conftest import Scores, catalogue_of, perfect, random_set

SETTINGS = EvaluationSettings(bootstrap=50, depth=20)
USERS, ITEMS = 200, 60


def measured() -> EvaluationTable:
    data = random_set(USERS, ITEMS)
    matrix = perfect(data).matrix
    rng = np.random.default_rng(0)
    rankers: list[Ranker] = [RandomRanker(ITEMS)]
    for at in range(7):
        noise = (0.4 + 0.2 * at) * rng.normal(size=matrix.shape)
        rankers.append(Scores("2T-HGNN" if at == 3 else f"baseline {at}", matrix + noise))
    streams = np.concatenate([np.arange(50, 0, -1), np.zeros(10)])
    catalogue = catalogue_of([f"a{at:03d}" for at in range(ITEMS)])
    finer = finer_slices(data, catalogue, streams, np.ones(USERS))
    return evaluate(rankers, data, SETTINGS, 0, finer=finer)


def test_the_strongest_baselines_stand_beside_the_subject() -> None:
    table = measured()
    shown = shown_models(table)
    assert shown == ["2T-HGNN", "baseline 0", "baseline 1", "baseline 2", "baseline 4", "random"]
    assert len(shown) == BASELINES + 2
    assert tier_names(table) == [*(f"tier {at}" for at in range(1, 6)), "new items"]


def test_every_shown_model_has_a_line_over_every_tier() -> None:
    table = measured()
    for metric in ("HR@10", "coverage"):
        drawn = tiers(table, metric)
        assert [line.name for line in drawn.series] == shown_models(table)
        assert [len(line.points) for line in drawn.series] == [6] * (BASELINES + 2)
        kinds = [line.kind for line in drawn.series]
        assert kinds.count("own") == kinds.count("chance") == 1
        assert [label for _, label in drawn.x_ticks] == tier_names(table)
    page = to_html(table)
    assert page.count('class="plane"') == 3
    assert "coverage by popularity tier" in page


def test_every_model_has_a_numbered_point_inside_and_a_line_in_the_legend() -> None:
    table = measured()
    drawn = scatter(table)
    assert [line.number for line in drawn.legend] == list(range(1, len(table.models) + 1))
    assert {line.name.split(":")[0] for line in drawn.legend} == set(table.models)
    values = [table.value(line.name.split(":")[0], "HR@10") for line in drawn.legend]
    assert values == sorted(values, key=lambda one: -(one or 0.0))
    for line in drawn.series:
        (point,) = line.points
        assert LEFT <= point.x <= RIGHT
        assert TOP <= point.y <= BOTTOM


def test_no_axis_of_coverage_passes_one() -> None:
    table = measured()
    for drawn in (scatter(table), tiers(table, "coverage")):
        assert max(float(label) for _, label in drawn.y_ticks) <= 1.0


def test_of_two_users_no_page_says_who_leads_or_stands_where() -> None:
    data = random_set(2, ITEMS)
    rankers = [Scores(name, perfect(data).matrix) for name in ("2T-HGNN", "other")]
    table = evaluate(rankers, data, SETTINGS, 0)
    assert verdicts(table) == ["Only 2 users had a target: too few to say who leads."]
    assert standing(table) == []
