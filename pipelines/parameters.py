"""Parameters of a pipeline: what each of its steps reads of the settings, computed once."""

from __future__ import annotations

import inspect
from typing import Any

from colisten.pipelines.trials_pipeline import trial
from colisten.settings.tree import Settings
from colisten.steps.registry import step_named
from colisten.steps.settings import settings_json
from colisten.steps.trials import TrainingRun

_SUFFIX = "_settings"


def step_parameters(pipeline: Any, settings: Settings) -> dict[str, str]:
    """The parameters `<step>_settings` of a function decorated with `dsl.pipeline`, by name."""
    parameters = inspect.signature(pipeline.pipeline_func).parameters
    return {
        name: settings_json(step_named(name.removesuffix(_SUFFIX)), settings)
        for name in parameters
        if name.endswith(_SUFFIX)
    }


def trial_item(one: TrainingRun) -> dict[str, str]:
    """A trial as the trials pipeline takes it."""
    return {
        "model": one.model,
        "blocks": one.blocks,
        "beside": ",".join(one.beside),
        **step_parameters(trial, one.settings),
    }
