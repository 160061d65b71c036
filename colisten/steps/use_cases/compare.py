"""Several trainings of one window, measured in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from colisten.evaluation.table import EvaluationTable
from colisten.settings.tree import Settings
from colisten.steps.cache import Listener, silent, step_cache
from colisten.steps.plan import Plan, seconds_of_earlier_runs, trial_steps
from colisten.steps.trials import TrainingRun, check_trials
from colisten.steps.workflow import Home, Window, trials


def compare_trainings(
    window: Window,
    out: Path,
    trainings: Sequence[TrainingRun],
    settings: Settings,
    *,
    subject: str,
    use_cache: bool = True,
    listen: Listener = silent,
) -> EvaluationTable:
    """Fit all trainings, one after the other, and measure them together.

    Args:
        window: Tables and time.
        out: Folder that owns the run; finished steps under it are not repeated.
        trainings: What to fit.
        settings: What all of them share, and how they are measured.
        subject: The model that every other is compared with.
        use_cache: Take unchanged steps from earlier runs.
        listen: Called at every change of a step.

    Raises:
        PipelineError: Trainings cannot stand in one table, or another run holds `out`.
        ColistenError: As the steps do.
    """
    check_trials(trainings, settings)
    home = Home.at(out)
    plan = Plan(trial_steps(trainings), seconds_of_earlier_runs(home.steps).get)
    with step_cache(
        home.steps, "trials", settings, use_cache=use_cache, listen=listen, plan=plan
    ) as cache:
        return trials(cache, window, home, trainings, subject=subject).table.table
