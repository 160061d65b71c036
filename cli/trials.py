"""Running the trials pipeline on this machine: what `run --seeds` and `ablate` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from colisten.cli.inputs import tables_digest
from colisten.cli.steps import shown_steps
from colisten.evaluation.table import EvaluationTable
from colisten.files import located, sweep_abandoned
from colisten.json_files import read_model
from colisten.pipelines.local import run_local
from colisten.pipelines.parameters import step_parameters, trial_item
from colisten.pipelines.trials_pipeline import trials_pipeline
from colisten.settings.tree import Settings
from colisten.steps.trials import TrainingRun, check_trials
from colisten.terminal import Terminal


@dataclass(frozen=True)
class Window:
    """What is learned from and what measures it."""

    data: Path
    cut: datetime
    days: int


def run_trials(
    window: Window,
    out: Path,
    trials: Sequence[TrainingRun],
    settings: Settings,
    *,
    subject: str,
    console: Terminal,
    measured: Path | None = None,
    use_cache: bool = True,
) -> EvaluationTable:
    """Fit all trials, one after the other, and measure them together.

    Args:
        window: Tables and time.
        out: Folder that owns the run; finished steps under it are not repeated.
        trials: What to fit.
        settings: What all trials share, and how they are measured.
        subject: The model that every other is compared with.
        console: Where progress goes.
        measured: Lists of the same window that join the table.
        use_cache: Reuse unchanged steps of earlier runs.

    Raises:
        PipelineError: Trials cannot stand in one table, or a step failed.
    """
    check_trials(trials, settings)
    out = located(out)
    sweep_abandoned(out)
    with shown_steps(console, [trial.title for trial in trials]) as listen:
        left = run_local(
            trials_pipeline,
            {
                "data": str(located(window.data)),
                "data_digest": tables_digest(window.data),
                "cut": window.cut.isoformat(),
                "window_days": window.days,
                "checkpoints": str(out / "cache" / "checkpoints"),
                "text_cache": str(out / "cache" / "text"),
                **step_parameters(trials_pipeline, settings),
                "trials": [trial_item(trial) for trial in trials],
                "subject": subject,
                "measured": "" if measured is None else str(measured),
            },
            root=out / "pipeline",
            use_cache=use_cache,
            listen=listen,
        )
    return read_model(Path(left["table"].path), EvaluationTable)
