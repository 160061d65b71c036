"""The pipelines by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kfp.dsl.pipeline_task import PipelineTask

from colisten.errors import PipelineError
from colisten.pipelines.backfill import make_backfill
from colisten.pipelines.monitor import make_monitor
from colisten.pipelines.parameters import Steps
from colisten.pipelines.refresh import make_refresh
from colisten.pipelines.retrain import make_retrain
from colisten.pipelines.trials import make_trials
from colisten.words import known_word

PIPELINES: dict[str, Callable[..., Any]] = {
    "retrain": make_retrain,
    "refresh": make_refresh,
    "monitor": make_monitor,
    "backfill": make_backfill,
    "trials": make_trials,
}
SEVERAL = ("backfill", "trials")
"""Those that take several cuts or trainings at the same time."""


def make_pipeline(name: str, steps: Steps, *, parallelism: int = 1) -> Any:
    """The pipeline of a name, with what is compiled into it.

    Args:
        name: One of `PIPELINES`.
        steps: What is compiled in.
        parallelism: Cuts or trainings at the same time, where there are several.

    Raises:
        PipelineError: There is none of that name; the message has the nearest.
    """
    known_word("Pipeline", name, tuple(PIPELINES), PipelineError)
    make = PIPELINES[name]
    with _without_stacks():
        return make(steps, parallelism) if name in SEVERAL else make(steps)


@contextmanager
def _without_stacks() -> Iterator[None]:
    """kfp reads the source of every frame for the name of a caller that it then rarely wants.

    That takes a quarter of a second wherever many modules are loaded, and a pipeline with pods of
    its own asks two hundred times.
    """
    former = PipelineTask._ensure_container_spec_exists

    def check(task: PipelineTask) -> None:
        if task.container_spec is None:
            former(task)

    PipelineTask._ensure_container_spec_exists = check
    try:
        yield
    finally:
        PipelineTask._ensure_container_spec_exists = former
