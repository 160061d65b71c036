"""Parameters of a pipeline: what each of its steps reads of the settings, computed once."""

from __future__ import annotations

import inspect
from typing import Any

from colisten.data.backtest import backtest_cut
from colisten.files import located
from colisten.pipelines.release_pipeline import release_pipeline
from colisten.pipelines.trials_pipeline import trial
from colisten.settings.tree import Settings
from colisten.steps.registry import step_named
from colisten.steps.settings import settings_json
from colisten.steps.trials import TrainingRun
from colisten.steps.workflow import Home, Window

_SUFFIX = "_settings"


def release_arguments(window: Window, home: Home, settings: Settings) -> dict[str, Any]:
    """All arguments of the release pipeline, for a run whose results lie in one folder."""
    early = backtest_cut(window.data, cut=window.cut, window_days=window.days, data=settings.data)
    return {
        "data": str(located(window.data)),
        "data_digest": window.digest(),
        "cut": window.cut.isoformat(),
        "backtest_cut": early.isoformat(),
        "window_days": window.days,
        "home": str(home.out),
        "checkpoints": str(home.checkpoints),
        "text_cache": str(home.texts),
        **step_parameters(release_pipeline, settings),
    }


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
