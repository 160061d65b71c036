from __future__ import annotations

import pytest

from colisten.ablations.registry import FULL, select
from colisten.errors import PipelineError
from colisten.settings.data import DataSettings
from colisten.settings.tree import Settings, load_settings
from colisten.steps.trials import TrainingRun, ablation_trials, check_trials, further_seeds


def test_further_seeds_leave_out_what_no_seed_changes() -> None:
    trials = further_seeds(load_settings(None, ("seed=3",)), 3)
    assert [(trial.model, trial.settings.seed, trial.blocks) for trial in trials] == [
        ("2T-HGNN", 4, "text,z"),
        ("2T", 4, "text"),
        ("2T-HGNN", 5, "text,z"),
        ("2T", 5, "text"),
    ]
    assert {name for trial in trials for name in trial.beside} == {"HGNN-mean"}
    assert further_seeds(Settings(), 1) == []


def test_every_ablation_is_trained_under_every_seed_and_scales_stand_beside_once() -> None:
    chosen = select(("no-graph",), DataSettings())
    trials = ablation_trials(chosen, {each.name: Settings() for each in chosen}, 2)
    assert [trial.title for trial in trials] == [
        f"{FULL}, seed 0",
        "no-graph, seed 0",
        f"{FULL}, seed 1",
        "no-graph, seed 1",
    ]
    assert [trial.beside for trial in trials] == [
        ("popularity", "HGNN-mean"),
        (),
        ("HGNN-mean",),
        (),
    ]
    assert (trials[1].model, trials[1].blocks) == ("no-graph", "text")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (("features.history_length=3",), "build_features"),
        (("text.max_chars=3",), "embed_text"),
        (("data.target_type=podcast", "data.auxiliary_type=audiobook"), "check_tables"),
        (("evaluation.k=3",), "measured otherwise"),
    ],
)
def test_trials_that_cannot_stand_in_one_table_are_refused(
    override: tuple[str, ...], said: str
) -> None:
    odd = TrainingRun("odd", load_settings(None, override))
    with pytest.raises(PipelineError, match=f"'odd'.*{said}"):
        check_trials([TrainingRun(FULL, Settings()), odd], Settings())


def test_no_trial_is_refused() -> None:
    with pytest.raises(PipelineError, match="no trial"):
        check_trials([], Settings())


def test_trials_may_differ_in_what_they_learn() -> None:
    overrides = ("seed=2", "preset=paper", "graph.signals=[stream]", "features.half_life_days=5")
    check_trials([TrainingRun("other", load_settings(None, overrides))], Settings())
