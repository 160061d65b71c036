"""What scores are worth, as the card, the evaluation page and the terminal say it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from colisten.evaluation.score_calibration import EVERY_PAIR, SHOWN, Bin, ScoreCalibration
from colisten.evaluation.table import evaluate
from colisten.release.card import Card
from colisten.reports.card import to_html as card_page
from colisten.reports.evaluation import to_html as evaluation_page
from colisten.reports.reliability import NO_SCORES, score_planes, scores_in_words
from colisten.reports.terminal import card_to_rich
from colisten.settings.sections import EvaluationSettings
from colisten.statistics.interval import Estimate
from tests.evaluation.conftest import perfect, random_set
from tests.evaluation.test_score_calibration import world
from tests.release.payloads import metrics
from tests.release.test_card import manifest


@pytest.fixture(scope="module")
def calibration() -> ScoreCalibration:
    found = world(800).calibrated()
    assert found is not None
    return found


def test_all_of_them_say_the_same(calibration: ScoreCalibration) -> None:
    data = random_set(60, 50)
    table = evaluate([perfect(data)], data, EvaluationSettings(bootstrap=50, depth=20), 0)
    card = Card.of(manifest(metrics(0.3)), scores=calibration)
    console = Console(file=io.StringIO(), width=400)
    console.print(card_to_rich(card))
    assert isinstance(console.file, io.StringIO)
    pages = (
        card_page(card),
        evaluation_page(table.model_copy(update={"calibration": calibration})),
        console.file.getvalue(),
    )
    shown = calibration.reliability[SHOWN]
    for sentence in scores_in_words(calibration):
        assert all(sentence in each for each in pages)
    assert f"off by {shown.error:.4f}" in pages[0]
    for page in pages[:2]:
        for name in ("Shown", "Shown to warm users", "Shown to cold users", "Every pair"):
            assert page.count(f'aria-label="{name}"') == 1
        assert page.count("% of ") >= len(shown.bins)


def test_without_a_rule_they_say_so() -> None:
    data = random_set(60, 50)
    table = evaluate([perfect(data)], data, EvaluationSettings(bootstrap=50, depth=20), 0)
    assert NO_SCORES in card_page(Card.of(manifest(metrics(0.3))))
    for page in (card_page(Card.of(manifest(metrics(0.3)))), evaluation_page(table)):
        assert "Every pair" not in page
    assert "What scores are worth" not in evaluation_page(table)


def test_a_point_stands_where_its_bin_says(calibration: ScoreCalibration) -> None:
    """On the diagonal where it is true, and above it where more was started than predicted."""
    one = calibration.reliability[SHOWN]
    true, more = (
        Bin(pairs=500, predicted=0.02, observed=Estimate(value=each, low=each / 2, high=each * 2))
        for each in (0.02, 0.04)
    )
    drawn = one.model_copy(update={"bins": (true, more)})
    told = calibration.model_copy(update={"reliability": {EVERY_PAIR: drawn}})
    ((_, plane, _),) = score_planes(told)
    points, diagonal = (each.points for each in plane.series)
    (left, bottom), (right, top) = ((each.x, each.y) for each in diagonal)
    share = (points[0].x - left) / (right - left)
    assert points[0].y == pytest.approx(bottom + share * (top - bottom), abs=0.05)
    assert points[1].y < points[0].y  # a picture's zero is at its top
    assert points[1].x == points[0].x


def test_a_rule_that_tells_nothing_apart_is_said_to(calibration: ScoreCalibration) -> None:
    one = calibration.reliability[SHOWN]
    flat = one.model_copy(update={"log_loss": one.log_loss_of_rate})
    told = calibration.model_copy(update={"reliability": {SHOWN: flat}})
    assert "no better than one rate" in " ".join(scores_in_words(told))
    assert "no better than one rate" not in " ".join(scores_in_words(calibration))
