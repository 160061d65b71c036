"""An Evidently metric: one figure of one arm, with its interval."""

from __future__ import annotations

from colisten.extras import needs

needs("evidently")

import pandas as pd
from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric
from evidently.core.report import Context
from evidently.legacy.renderers.html_widgets import CounterData, WidgetSize, counter

from colisten.experiments.metrics import metric_of
from colisten.experiments.reading import Comparison

FIGURES = ("value", "low", "high", "users")


class ArmFigure(SingleValueMetric):
    """A metric of the users of one arm, from a row of `figures_frame`."""

    metric: str
    arm: str

    def _default_tests(self, context: Context) -> list[object]:
        return []


class ArmFigureCalculation(SingleValueCalculation[ArmFigure]):
    """Finds `ArmFigure` in the current data set."""

    def calculate(
        self, context: Context, current_data: object, reference_data: object
    ) -> SingleValue:
        """The figure, shown as a counter with its interval."""
        frame = current_data.as_dataframe()  # type: ignore[attr-defined]
        own = frame[(frame["arm"] == self.metric.arm) & (frame["metric"] == self.metric.metric)]
        value, low, high, users = (float(own[name].iloc[0]) for name in FIGURES)
        metric = metric_of(self.metric.metric)
        result = self.result(value)
        result.widget = [
            counter(
                title=self.display_name(),
                size=WidgetSize.HALF,
                counters=[
                    CounterData(
                        f"{metric.said(low)} to {metric.said(high)} of {users:,.0f} users",
                        metric.said(value),
                    )
                ],
            )
        ]
        return result

    def display_name(self) -> str:
        """What the report calls this figure."""
        return f"{metric_of(self.metric.metric).title}, {self.metric.arm}"


def figures_frame(comparison: Comparison) -> pd.DataFrame:
    """One row per arm and metric that is defined: arm, metric, value, low, high, users."""
    rows = [
        (arm.name, name, figure.value, figure.low, figure.high, float(arm.followed))
        for arm in comparison.arms
        for name, figure in arm.values.items()
        if figure is not None
    ]
    frame = pd.DataFrame(rows, columns=["arm", "metric", *FIGURES])
    return frame.astype(dict.fromkeys(FIGURES, float))  # also where there is no row
