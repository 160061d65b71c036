"""The model against the best baseline, in a figure and in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

from colisten.evaluation.headline import headlines
from colisten.evaluation.seconds import Seconds
from colisten.evaluation.table import EvaluationTable, evaluate
from colisten.ranking.rankers import SUBJECT, RandomRanker, Ranker
from colisten.reports.verdict import headline_sentence
from colisten.settings.sections import EvaluationSettings
from colisten.steps.metrics_file import write_metrics, write_seeds
from tests.evaluation.conftest import random_set
from tests.evaluation.test_table import noisy

SETTINGS = EvaluationSettings(bootstrap=100, depth=20)


def measured(users: int = 300, noise: float = 0.3) -> EvaluationTable:
    data = random_set(users, 60)
    rankers: list[Ranker] = [
        RandomRanker(60),
        noisy(data, 0.5, "2T", seed=1),
        noisy(data, 2.0, "popularity", seed=2),
        noisy(data, 1.0, "EASE", seed=3),
        noisy(data, noise, SUBJECT, seed=4),
    ]
    return evaluate(rankers, data, SETTINGS, 0)


def test_it_is_against_the_best_that_is_not_ours() -> None:
    table = measured()
    everyone, cold = headlines(table)
    assert (everyone.slice, cold.slice) == ("all", "cold")
    assert everyone.users == 300 > cold.users > 0
    assert everyone.baseline == cold.baseline == "EASE"
    assert everyone.value == table.row(SUBJECT).metrics["HR@10"]
    assert everyone.difference.value > 0
    assert everyone.difference.sure


def test_a_sentence_says_whether_it_is_sure() -> None:
    sentence = headline_sentence(headlines(measured())[0])
    assert sentence.startswith("Of 300 users, ")
    assert "start one of the first 10 items that 2T-HGNN lists" in sentence
    assert "with EASE, the best baseline" in sentence
    assert sentence.endswith(": sure.")
    even = headline_sentence(headlines(measured(60, noise=1.0))[1])
    assert " cold users, " in even
    assert even.endswith(": not sure, the interval includes zero.")


def test_without_baselines_there_is_none() -> None:
    data = random_set(50, 40)
    alone = evaluate([noisy(data, 0.3, SUBJECT), RandomRanker(40)], data, SETTINGS, 0)
    assert headlines(alone) == ()


def test_metrics_open_with_it_and_keep_the_bulk_beside_them(tmp_path: Path) -> None:
    test, validation = measured(), measured(100)
    write_metrics(tmp_path, {"cut": "2025-06-16"}, test=test, validation=validation)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert [*metrics] == ["headline", "cut", "test", "validation"]
    assert metrics["headline"][0]["baseline"] == "EASE"
    assert not {"finer", "finer_differences"} & metrics["test"].keys()
    slices = json.loads((tmp_path / "slices.json").read_text())
    assert EvaluationTable.model_validate({**metrics["test"], **slices["test"]}) == test
    # A table that was written whole, as older runs did, is read as well.
    assert EvaluationTable.model_validate(test.model_dump(mode="json")) == test
    write_seeds(tmp_path, validation, (0, 1))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert [*metrics] == ["headline", "cut", "test", "validation", "seeds"]
    assert metrics["test"] == metrics["validation"]
    assert metrics["headline"][0]["users"] == 100
    write_seeds(tmp_path, test, (0,), Seconds(model=1.0, baselines={"EASE": 2.0}))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    seconds = {"model": 1.0, "baselines": {"EASE": 2.0}, "slower": ["EASE"]}
    assert metrics["seconds"] == seconds
