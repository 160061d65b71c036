"""Several trainings in one table: averages, spreads, beyond, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from colisten.errors import EvaluationError
from colisten.evaluation import metrics, slices
from colisten.evaluation.beyond_accuracy import BEYOND_ACCURACY, BeyondAccuracy
from colisten.evaluation.slices import Slice
from colisten.evaluation.table import EvaluationTable, evaluate, evaluate_lists
from colisten.ranking.lists import Lists, rank_lists
from colisten.ranking.rankers import RandomRanker, Ranker
from colisten.reports.evaluation import to_html
from colisten.settings.sections import EvaluationSettings
from tests.evaluation.conftest import Scores, perfect, random_set

SETTINGS = EvaluationSettings(bootstrap=200, depth=20)
USERS, ITEMS = 150, 80
DATA = random_set(USERS, ITEMS)
STREAMS = np.arange(ITEMS)[::-1].astype(np.float32)


def trained(noise: float, seed: int, name: str = "2T-HGNN") -> Scores:
    matrix = perfect(DATA).matrix
    return Scores(name, matrix + noise * np.random.default_rng(seed).normal(size=matrix.shape))


def lists_of(*models: Scores | RandomRanker) -> Lists:
    return rank_lists(models, DATA, SETTINGS)


def trials() -> dict[str, list[np.ndarray]]:
    return {
        "2T-HGNN": [lists_of(trained(0.5, seed))["2T-HGNN"] for seed in range(3)],
        "2T": [lists_of(trained(0.7, 9 + seed, "2T"))["2T"] for seed in range(2)],
        "random": [lists_of(RandomRanker(ITEMS))["random"]],
    }


def known_items() -> BeyondAccuracy:
    text = np.random.default_rng(3).normal(size=(ITEMS, 6)).astype(np.float32)
    text[::5] = 0.0
    return BeyondAccuracy(STREAMS, text)


def test_one_list_a_model_is_what_evaluate_measures(tmp_path: Path) -> None:
    rankers: list[Ranker] = [trained(0.5, 0), RandomRanker(ITEMS)]
    lists = rank_lists(rankers, DATA, SETTINGS, folder=tmp_path / "lists")
    single = {model: [items] for model, items in lists.by_model.items()}
    assert evaluate_lists(single, DATA, SETTINGS, 3) == evaluate(rankers, DATA, SETTINGS, 3)
    assert evaluate_lists(single, DATA, SETTINGS, 3, beyond=known_items()) == evaluate(
        rankers, DATA, SETTINGS, 3, beyond=known_items()
    )


def test_values_are_means_over_seeds_and_spread_their_deviation() -> None:
    table = evaluate_lists(trials(), DATA, SETTINGS, 0)
    for model, lists in trials().items():
        alone = [evaluate_lists({model: [one]}, DATA, SETTINGS, 0) for one in lists]
        for part in ("all", "warm", "cold"):
            row = table.row(model, part)
            assert row.seeds == len(lists)
            for metric, measure in row.metrics.items():
                values = [one.value(model, metric, part) for one in alone]
                assert measure.value == pytest.approx(np.mean(np.array(values, float)))
                if len(lists) == 1:
                    assert (measure.spread, measure.by_seed) == (None, ())
                else:
                    assert measure.by_seed == pytest.approx(values)
                    assert measure.spread == pytest.approx(np.std(np.array(values, float), ddof=1))
    assert EvaluationTable.model_validate_json(table.model_dump_json()) == table


def test_equal_lists_thrice_are_as_sure_as_once() -> None:
    once = trials()["2T-HGNN"][0]
    one = evaluate_lists({"a": [once]}, DATA, SETTINGS, 0).row("a").metrics
    three = evaluate_lists({"a": [once] * 3}, DATA, SETTINGS, 0).row("a").metrics
    for metric, measure in three.items():
        assert measure.spread == pytest.approx(0.0, abs=1e-12)
        assert (measure.low, measure.high) == pytest.approx((one[metric].low, one[metric].high))


def test_trainings_that_differ_widen_the_interval() -> None:
    """Three good trainings and one failure: users alone would not show that it can fail."""
    good = [lists_of(trained(0.3, seed))["2T-HGNN"] for seed in range(3)]
    bad = lists_of(trained(50.0, 7))["2T-HGNN"]
    sound = evaluate_lists({"a": good}, DATA, SETTINGS, 0).row("a").metrics["HR@10"]
    shaky = evaluate_lists({"a": [*good, bad]}, DATA, SETTINGS, 0).row("a").metrics["HR@10"]
    assert sound.low is not None
    assert sound.high is not None
    assert shaky.low is not None
    assert shaky.high is not None
    assert shaky.high - shaky.low > 5 * (sound.high - sound.low)


def test_the_exact_test_is_of_hit_rates_of_single_trainings() -> None:
    found = evaluate_lists(
        {**trials(), "another": [trials()["2T-HGNN"][1]]}, DATA, SETTINGS, 0, subject="random"
    )
    for each in found.differences:
        single = each.against == "another" and each.metric == "HR@10"
        assert (each.p_test is not None) == single
        if single:
            assert each.p_test is not None
            assert each.p_test < 1e-3


def test_facts_are_further_columns_with_intervals_and_differences() -> None:
    table = evaluate_lists(trials(), DATA, SETTINGS, 0, beyond=known_items())
    bare = evaluate_lists(trials(), DATA, SETTINGS, 0)
    assert table.metrics == (*bare.metrics, *BEYOND_ACCURACY)
    for row, other in zip(table.rows, bare.rows, strict=True):
        for name, measure in other.metrics.items():
            found = row.metrics[name]
            assert found.value == measure.value
            assert (found.low, found.high) == pytest.approx((measure.low, measure.high))
    for model, lists in trials().items():
        expected = np.mean([known_items().measure(one, 10) for one in lists], axis=(0, 1))
        for metric, value in zip(BEYOND_ACCURACY, expected, strict=True):
            measure = table.row(model).metrics[metric]
            assert measure.value == pytest.approx(value)
            assert measure.value is not None
            assert measure.low is not None
            assert measure.high is not None
            assert measure.low <= measure.value <= measure.high
    compared = {each.metric for each in table.differences}
    assert compared == set(table.metrics)
    assert {each.metric for each in table.leads} == set(bare.metrics), "no best kind of list"
    assert "self-information" in to_html(table)
    assert "self-information" not in to_html(bare)


def test_a_measure_that_nobody_has_is_null_and_compared_with_nothing() -> None:
    text = np.zeros((ITEMS, 3), dtype=np.float32)
    text[0] = 1.0
    table = evaluate_lists(trials(), DATA, SETTINGS, 0, beyond=BeyondAccuracy(STREAMS, text))
    measure = table.row("2T").metrics["diversity"]
    assert (measure.value, measure.low, measure.spread, measure.by_seed) == (None, None, None, ())
    assert "diversity" not in {each.metric for each in table.differences}
    assert EvaluationTable.model_validate_json(table.model_dump_json()) == table
    assert "diversity" in to_html(table)


def test_users_whose_list_has_too_little_text_are_left_out_of_diversity() -> None:
    few = known_items()
    assert few.text is not None
    few.text[: ITEMS - 12] = 0.0
    table = evaluate_lists(trials(), DATA, SETTINGS, 0, beyond=few)
    each = [few.measure(one, 10)[:, 2] for one in trials()["2T"]]
    known = ~np.isnan(each).any(axis=0)
    assert 2 < known.sum() < USERS
    measure = table.row("2T").metrics["diversity"]
    assert measure.value == pytest.approx(np.mean([one[known].mean() for one in each]))
    assert measure.low is not None


def test_blocks_of_any_size_give_equal_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.arange(ITEMS) < 30
    users = np.unique(DATA.targets.rows[mask[DATA.targets.values]])
    finer = [Slice("some items", users, mask)]

    def measured() -> EvaluationTable:
        return evaluate_lists(trials(), DATA, SETTINGS, 0, finer=finer, beyond=known_items())

    whole = measured()
    for block in (7, 32):
        for module in (metrics, slices):
            monkeypatch.setattr(module, "BLOCK", block)
        found = measured()
        for row, other in zip(
            [*found.rows, *found.finer], [*whole.rows, *whole.finer], strict=True
        ):
            for metric, measure in row.metrics.items():
                expected = other.metrics[metric]
                for one in ("value", "low", "high"):
                    assert getattr(measure, one) == pytest.approx(getattr(expected, one), rel=1e-12)


def test_the_page_shows_seeds_as_dots_and_says_what_intervals_speak_of() -> None:
    page = to_html(evaluate_lists(trials(), DATA, SETTINGS, 0))
    assert "2T-HGNN (3 seeds)" in page
    assert page.count('class="seed"') == (9 + 1) * 5, "nine bar charts and the scatter, five dots"
    assert "other training seeds, for the models trained under several: 2T-HGNN (3), 2T (2)" in page
    assert "those of the other models hold no noise of training" in page
    single = to_html(evaluate_lists({"a": trials()["2T"][:1]}, DATA, SETTINGS, 0))
    assert 'class="seed"' not in single
    assert "not of another training run" in single


def test_wrong_lists_are_refused() -> None:
    (good,) = trials()["random"]
    with pytest.raises(EvaluationError, match="for every training seed"):
        evaluate_lists({}, DATA, SETTINGS, 0)
    with pytest.raises(EvaluationError, match="for every training seed"):
        evaluate_lists({"a": []}, DATA, SETTINGS, 0)
    for wrong in (good[:-1], good[:, :10], good[0]):
        with pytest.raises(EvaluationError, match="shape"):
            evaluate_lists({"a": [good, wrong]}, DATA, SETTINGS, 0)
    with pytest.raises(EvaluationError, match="holds item"):
        evaluate_lists({"a": [good + ITEMS]}, DATA, SETTINGS, 0)
    with pytest.raises(EvaluationError, match="Beyond accuracy"):
        evaluate_lists({"a": [good]}, DATA, SETTINGS, 0, beyond=BeyondAccuracy(STREAMS[1:]))
    deeper = np.concatenate([good, good], axis=1)
    assert evaluate_lists({"a": [deeper]}, DATA, SETTINGS, 0).rows == tuple(
        evaluate_lists({"a": [good]}, DATA, SETTINGS, 0).rows
    )
