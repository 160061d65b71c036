"""The model path at each of several cuts, measured on the window after it; nothing is published.

for each cut: plan the run -> check tables -> embed text -> build features -> fit -> measure
"""

from typing import Any

from kfp import dsl

from colisten.pipelines.fit import make_fit, measured, prepare
from colisten.pipelines.parameters import Steps
from colisten.pipelines.retrain import AFTER


def make_backfill(steps: Steps, parallelism: int = 1) -> Any:
    """The pipeline over a list of cuts, at most `parallelism` of them at the same time."""
    fit = make_fit(steps)

    @dsl.pipeline(name="past-cut", description="One pass as of a cut, measured after it.")
    def past_cut(data: str, cut: str, window_days: int) -> None:
        prepared = prepare(steps, data, cut, window_days)
        fitted = fit(**prepared.known, as_of=prepared.moment, window_days=window_days)
        measured(
            steps,
            prepared,
            fitted,
            prepared.holdout,
            prepared.moment,
            window_days,
            baselines=False,
            title=AFTER,
        )

    @dsl.pipeline(
        name="colisten-backfill",
        description="What releases of the past would have done; publishes nothing.",
    )
    def backfill(data: str, cuts: list, window_days: int = 90) -> None:  # type: ignore[type-arg]
        """Trains and measures as of every cut.

        Args:
            data: Folder of contract tables.
            cuts: Dates or moments, UTC without a zone.
            window_days: Days after each cut that measure it.
        """
        with steps.exit_handler(), dsl.ParallelFor(cuts, parallelism=parallelism) as cut:
            past_cut(data=data, cut=cut, window_days=window_days)

    return backfill
