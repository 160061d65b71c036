"""A step is handed what its signature asks for; other settings do not repeat it."""

from __future__ import annotations

import inspect

import pytest

from colisten.settings.tree import Settings, load_settings
from colisten.steps.execution import artifact_type, input_types, result_types
from colisten.steps.registry import STEPS, step_named
from colisten.steps.settings import settings_from_json, settings_json, settings_of

LEARNING = STEPS[: STEPS.index("evaluate")]


@pytest.mark.parametrize(
    ("override", "repeated"),
    [
        ("seed=1", {"inspect_graph", "train_hgnn", "train_towers"}),
        ("threads=1", set(LEARNING) - {"plan_run", "take_released", "build_training_rows"}),
        ("towers.dropout=0.3", {"train_towers"}),
        ("towers.validation_share=0.3", {"build_graph", "train_towers"}),
        ("features.half_life_days=9", {"train_towers"}),
        ("features.history_length=9", {"build_features", "train_towers"}),
        ("data.signals={stream: 1, follow: 1, preview: 1, intent_to_pay: 1}", {"train_towers"}),
        ("hgnn.alpha=0.5", {"train_hgnn"}),
        ("cross_fitting.folds=2", {"build_graph"}),
        ("graph.top_k=7", {"build_graph"}),
        ("graph.factors=7", {"inspect_graph"}),
        ("data.filterable={author: keyword}", {"check_tables"}),
        ("data.user_features={plan: category}", {"check_tables", "build_features", "train_towers"}),
        ("evaluation.k=7", {"train_towers"}),
        ("evaluation.depth=70", set()),
        ("evaluation.bootstrap=7", set()),
        ("gate.max_drop=0.5", set()),
    ],
)
def test_a_change_repeats_only_the_steps_that_read_it(override: str, repeated: set[str]) -> None:
    changed = load_settings(None, (override,))
    assert {
        name
        for name in LEARNING
        if settings_json(step_named(name), changed) != settings_json(step_named(name), Settings())
    } == repeated


@pytest.mark.parametrize("name", STEPS)
def test_settings_survive_the_way_through_a_pipeline_parameter(name: str) -> None:
    step = step_named(name)
    settings = load_settings(None, ("preset=paper", "seed=3", "threads=1", "gate.max_drop=0.1"))
    read = settings_from_json(step, settings_json(step, settings))
    assert read == settings_of(step, settings)
    # The order of signals is that of their codes.
    if "data" in read:
        assert list(read["data"].signals) == list(settings.data.signals)


@pytest.mark.parametrize("name", STEPS)
def test_a_signature_tells_inputs_settings_and_results_apart(name: str) -> None:
    step = step_named(name)
    read = settings_of(step, Settings())
    for parameter in inspect.signature(step).parameters.values():
        is_setting = parameter.name in read
        assert is_setting == (
            parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "out"
        ), parameter.name
    assert Settings not in input_types(step).values()
    assert result_types(step)
    assert all(artifact_type(kind) is kind for kind in result_types(step).values())
