"""Whole trainings on a folder of tables, for benchmarks that measure what comes out of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from colisten.evaluation.table import EvaluationTable
from colisten.settings.tree import Settings
from colisten.simulator import WorldReport
from colisten.steps import workflow
from colisten.steps.cache import StepCache
from colisten.steps.trials import TrainingRun, check_trials, further_seeds
from colisten.steps.workflow import Home, Window


def world_window(folder: Path, report: WorldReport) -> Window:
    """The window after the suggested cut of a simulated world."""
    cut = datetime.fromisoformat(str(report.cut)).replace(tzinfo=UTC)
    return Window(folder, cut, report.window_days)


def compared(
    out: Path, window: Window, trials: Sequence[TrainingRun], settings: Settings, *, subject: str
) -> EvaluationTable:
    """Every training of a window in one table; `subject` is compared with every other."""
    check_trials(trials, settings)
    home = Home.at(out)
    cache = StepCache(home.steps, settings)
    return workflow.trials(cache, window, home, trials, subject=subject).table.table


def released(out: Path, window: Window, settings: Settings, seeds: int = 1) -> EvaluationTable:
    """A release and its measurement after the cut, tuned baselines beside it.

    Args:
        out: Folder that owns the run.
        window: Tables and time.
        settings: Of the release, with the first seed.
        seeds: Trainings of its models; those beyond the release's own are measured with it.
    """
    home = Home.at(out)
    cache = StepCache(home.steps, settings)
    release = workflow.release(cache, window, home)
    table = release.measured.table
    if seeds == 1:
        return table
    further = further_seeds(settings, seeds)
    lists = release.lists
    both = workflow.trials(cache, window, home, further, subject=table.subject, measured=lists)
    return both.table.table
