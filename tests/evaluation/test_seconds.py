"""What things took: said beside the table, and of whom it is worth saying."""

from __future__ import annotations

from colisten.evaluation.seconds import Seconds, read_seconds, seconds_figures
from colisten.evaluation.table import evaluate
from colisten.reports.evaluation import to_html
from colisten.settings.sections import EvaluationSettings
from tests.evaluation.conftest import perfect, random_set

SPENT = {"EASE": 3.25, "popularity + item-kNN": 0.5, "LightGCN": 120.0, "mine": 90.0}


def test_figures_give_back_the_seconds_of_the_models_of_a_table() -> None:
    figures = {"EASE_HR_at_10": 0.1, **seconds_figures(SPENT)}
    assert read_seconds(figures, [*SPENT, "2T-HGNN"]) == SPENT
    assert read_seconds(figures, ["2T-HGNN", "EASE"]) == {"EASE": 3.25}


def test_who_takes_longer_than_the_model_is_named_with_what_leaves_it_out() -> None:
    slow = Seconds(model=60.0, baselines=SPENT)
    assert slow.slower == ("LightGCN", "mine")
    (sentence,) = slow.sentences("2T-HGNN")
    assert "2T-HGNN (60 s) took LightGCN (120 s), mine (90 s)" in sentence
    # What is somebody's own is left out of another setting.
    assert "evaluation.baselines=[-LightGCN] " in sentence
    assert "leaves" not in Seconds(model=1.0, baselines={"mine": 2.0}).sentences("2T-HGNN")[0]
    for quick in (Seconds(model=200.0, baselines=SPENT), Seconds(baselines=SPENT), Seconds()):
        assert quick.slower == ()
        assert quick.sentences("2T-HGNN") == []


def test_the_page_says_what_each_took_and_without_it_nothing() -> None:
    data = random_set(40, 30)
    table = evaluate([perfect(data)], data, EvaluationSettings(bootstrap=20), 0)
    page = to_html(table, Seconds(model=60.0, baselines=SPENT))
    for part in ("How long it took", "Training perfect took 60.0 s", "120.0", "[-LightGCN]"):
        assert part in page
    unknown = to_html(table, Seconds(baselines=SPENT))
    assert "How long it took" in unknown
    assert "Training perfect" not in unknown
    assert to_html(table, Seconds(model=60.0)) == to_html(table)
