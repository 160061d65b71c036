"""The page and the terminal say who is hurt by what, and agree with the table."""

from __future__ import annotations

import re

import numpy as np
import pytest
from rich.console import Console

from colisten.ablations.registry import FULL, select
from colisten.ablations.report import AblationReport, verdicts
from colisten.evaluation.table import evaluate_lists
from colisten.ranking.lists import rank_lists
from colisten.reports.ablations import to_html
from colisten.reports.terminal import ablations_to_rich
from colisten.settings.data import DataSettings
from colisten.settings.sections import EvaluationSettings
from tests.evaluation.conftest import Scores, perfect, random_set

SETTINGS = EvaluationSettings(bootstrap=200, depth=20)


@pytest.fixture(scope="module")
def report() -> AblationReport:
    """The full model knows the targets; no-graph does so for half of the users, paper never."""
    data = random_set(200, 60, seed=1)
    full = perfect(data, FULL).matrix
    noise = np.random.default_rng(0).random(full.shape)
    half = np.where(np.arange(len(data))[:, None] % 2, full, noise)
    models = {FULL: full, "no-text": full.copy(), "no-graph": half, "paper": noise}
    trials = {
        name: [
            rank_lists([Scores(name, matrix + 1e-3 * seed * noise)], data, SETTINGS)[name]
            for seed in range(2)
        ]
        for name, matrix in models.items()
    }
    trials["popularity"] = [rank_lists([Scores("popularity", noise)], data, SETTINGS)["popularity"]]
    table = evaluate_lists(trials, data, SETTINGS, 0, subject=FULL)
    chosen = select(("no-graph", "no-text", "paper"), DataSettings())
    return AblationReport.of(chosen, select(("no-decay",), DataSettings())[1:], (0, 1), table)


def test_a_change_is_the_row_minus_the_full_model(report: AblationReport) -> None:
    change = report.change("no-graph", "HR@10", "warm")
    assert change is not None
    values = [report.table.value(model, "HR@10", "warm") for model in ("no-graph", FULL)]
    assert change.value == pytest.approx(values[0] - values[1])  # type: ignore[operator]
    assert change.low is not None
    assert change.high is not None
    assert change.low < change.value < change.high < 0
    assert change.sure
    assert report.change(FULL, "HR@10") is None
    assert report.beside == ("popularity",)


def test_verdicts_name_the_worst_first_and_the_unsure_last(report: AblationReport) -> None:
    said = verdicts(report, "HR@10")
    assert "beyond the paper's recipe" in said[0]
    assert "the graph" in said[1]
    assert all("costs" in sentence for sentence in said[:2])
    assert said[2:] == ["Not surely different on HR@10: no-text."]


def test_the_page_shows_every_row_metric_and_slice_and_needs_no_network(
    report: AblationReport,
) -> None:
    page = to_html(report)
    for part in ("All", "Warm", "Cold"):
        assert f"<h2>{part} users" in page
    assert page.count("<figure>") == 9
    for row in report.rows:
        assert row.name in page
    assert "training seeds 0, 1" in page
    assert "no-decay" in page
    assert not re.search(r"https?://|<script|<link", page)
    change = report.change("no-graph", "MRR", "cold")
    assert change is not None
    assert f'<span class="bad">{change.value:+.4f}</span>' in page
    assert to_html(report) == page


def test_the_terminal_shows_values_and_changes(report: AblationReport) -> None:
    console = Console(width=140)
    with console.capture() as captured:
        console.print(ablations_to_rich(report))
    text = captured.get()
    change = report.change("no-graph", "HR@10")
    assert change is not None
    assert f"{change.value:+.4f}" in text
    assert "2 seeds" in text
    assert re.search(r"^ ?A +2T-HGNN", text, flags=re.MULTILINE)


def test_the_json_is_read_back(report: AblationReport) -> None:
    assert AblationReport.model_validate_json(report.model_dump_json()) == report


def test_an_empty_window_says_so() -> None:
    data = random_set(0, 10)
    lists = rank_lists([Scores(FULL, np.zeros((0, 10)))], data, EvaluationSettings())[FULL]
    table = evaluate_lists({FULL: [lists]}, data, EvaluationSettings(), 0, subject=FULL)
    report = AblationReport.of(select((), DataSettings())[:1], (), (0,), table)
    assert "Nothing to measure" in to_html(report)
    assert "Nothing to measure" in str(ablations_to_rich(report))
