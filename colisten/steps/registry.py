"""The steps by name, each imported when it is asked for."""

from __future__ import annotations

import importlib

from colisten.errors import PipelineError
from colisten.steps.settings import Step
from colisten.words import known_word

STEPS = (
    "plan_run",
    "take_released",
    "check_tables",
    "embed_text",
    "build_features",
    "build_graph",
    "inspect_graph",
    "train_hgnn",
    "embed_items",
    "build_training_rows",
    "train_towers",
    "evaluate",
    "gate",
    "publish",
    "recommend",
    "report",
    "watch_drift",
    "list_trials",
    "read_trial",
    "rank",
    "compare",
)


def step_named(name: str) -> Step:
    """The step of a name; raises PipelineError, with the nearest, where there is none."""
    known_word("Step", name, STEPS, PipelineError)
    step: Step = getattr(importlib.import_module(f"colisten.steps.{name}"), name)
    return step


SHARED = {"train_hgnn": "learn"}
"""Steps whose training several processes share: the function of their module that each of them
calls, while one alone executes the step."""


def shared_part(step: Step) -> Step:
    """What every process of a step calls; raises PipelineError where one process does it all."""
    known_word("Step of several processes", step.__name__, tuple(SHARED), PipelineError)
    part: Step = getattr(importlib.import_module(step.__module__), SHARED[step.__name__])
    return part
