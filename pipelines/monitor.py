"""Drift under the live release, without training anything.

plan the run -> check tables -> embed text -> build features -> watch drift
"""

from typing import Any

from kfp import dsl

from colisten.components.watch_drift.component import watch_drift
from colisten.pipelines.fit import prepare
from colisten.pipelines.parameters import Steps


def make_monitor(steps: Steps) -> Any:
    """The pipeline that compares the last window with the one before it."""

    @dsl.pipeline(
        name="colisten-monitor",
        description="How users, vectors and scores drift under the live release.",
    )
    def monitor(data: str, cut: str, window_days: int = 28) -> None:
        """Everything from tables to the drift report.

        Args:
            data: Folder of contract tables.
            cut: A date or a moment, UTC without a zone, or 14 digits, as Kubeflow fills in
                [[ScheduledTime]]: the end of the later window.
            window_days: Days of each window.
        """
        with steps.exit_handler():
            prepared = prepare(steps, data, cut, window_days)
            steps(
                watch_drift,
                changes_world=True,
                history=prepared.history,
                features=prepared.features,
                text=prepared.text,
                cut=prepared.moment,
                window_days=window_days,
                home=steps.places.home,
            )

    return monitor
