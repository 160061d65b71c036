"""Between two trainings of the HGNN: towers, vectors and index on the newest events.

The paper's other cadence. HGNN and text encoder are those of the live release, whatever a cache
holds; the graph is built anew, its vectors are embedded with the released weights, on each graph
without a user fold too, and towers are trained on them.

    live HGNN -> plan the run -> check tables -> embed text -> build features
                                     |
             refit as of an earlier moment -> evaluate on the window up to the cut -> gate
             refit as of the cut           -> publish  <- gate -> report

What the released HGNN has seen can measure nothing that is made of it. So the backtest is cut no
earlier than the moment up to which that HGNN was trained: soon after a retraining its window is
short, and the gate's intervals are wide.
"""

from typing import Any

from kfp import dsl

from colisten.components.take_released.component import take_released
from colisten.pipelines.fit import make_refit, measured, prepare
from colisten.pipelines.parameters import Steps
from colisten.pipelines.retrain import BACKTEST, released, reported


def make_refresh(steps: Steps) -> Any:
    """The pipeline that trains towers alone and publishes a release with the live HGNN."""
    refit = make_refit(steps)

    @dsl.pipeline(
        name="colisten-refresh",
        description="Towers, vectors and index on new events; the HGNN is the live release's.",
    )
    def refresh(data: str, cut: str, window_days: int = 90) -> None:
        """Everything from tables to a release, but for the HGNN.

        Args:
            data: Folder of contract tables.
            cut: A date or a moment, UTC without a zone, or 14 digits, as Kubeflow fills in
                [[ScheduledTime]]; nothing at or after it reaches the release.
            window_days: Days that the release is to be right for.
        """
        with steps.exit_handler():
            live = steps(take_released, changes_world=True, home=steps.places.home).outputs
            prepared = prepare(steps, data, cut, window_days, live["trained_until"])
            backtested, fitted = (
                refit(
                    **prepared.known, hgnn=live["hgnn"], as_of=as_of, window_days=window_days
                ).set_display_name(title)
                for as_of, title in (
                    (prepared.backtest_cut, "backtest as of an earlier moment"),
                    (prepared.moment, "refit as of the cut"),
                )
            )
            backtest = measured(
                steps,
                prepared,
                backtested,
                prepared.history,
                prepared.backtest_cut,
                window_days,
                baselines=False,
                title=BACKTEST,
            )
            published = released(steps, prepared, fitted, live["hgnn"], backtest)
            reported(steps, prepared, fitted, published)

    return refresh
