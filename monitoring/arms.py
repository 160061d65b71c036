"""An Evidently metric: the share of an arm's users who did something, with its interval."""

from __future__ import annotations

from colisten.extras import needs

needs("evidently", "plotly")

import plotly.graph_objects as go
from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric
from evidently.core.report import Context
from evidently.legacy.model.widget import BaseWidgetInfo
from evidently.legacy.renderers.html_widgets import (
    CounterData,
    WidgetSize,
    counter,
    plotly_figure,
    table_data,
    text_widget,
)

from colisten.experiments.comparison import Comparison
from colisten.experiments.lifts import Lift
from colisten.pages import markdown_text
from colisten.statistics.interval import FEW_USERS, Interval
from colisten.statistics.proportions import wilson

COLOURS = ("#9db4c0", "#1b6ca8")
DIMMED = 0.35
"""Opacity of results where the split is broken."""

TITLES = {"stream_rate": "Start rate", "new_start_rate": "New-start rate"}


class ArmRate(SingleValueMetric):
    """Share of the users of one arm for whom a 0/1 column is 1."""

    variant_column: str = "variant"
    column: str
    arm: str
    confidence: float = 0.95

    def _default_tests(self, context: Context) -> list[object]:
        return []


class ArmRateCalculation(SingleValueCalculation[ArmRate]):
    """Computes `ArmRate` on the current data set."""

    def calculate(
        self, context: Context, current_data: object, reference_data: object
    ) -> SingleValue:
        """The rate, shown as a counter with its Wilson interval."""
        frame = current_data.as_dataframe()  # type: ignore[attr-defined]
        # Users who saw several arms are in none.
        own = (frame[self.metric.variant_column] == self.metric.arm) & (frame["variants"] == 1)
        values = frame.loc[own, self.metric.column]
        rate = wilson(int(values.sum()), len(values), self.metric.confidence)
        result = self.result(rate.value)
        result.widget = [
            counter(
                title=self.display_name(),
                size=WidgetSize.HALF,
                counters=[
                    CounterData(
                        f"{rate.low:.2%} to {rate.high:.2%} of {len(values):,} users",
                        f"{rate.value:.2%}",
                    )
                ],
            )
        ]
        return result

    def display_name(self) -> str:
        """What the report calls this figure."""
        return f"{TITLES.get(self.metric.column, self.metric.column)}, {self.metric.arm}"


def verdict_widget(comparison: Comparison) -> BaseWidgetInfo:
    """The experiment in words: what moved, by how much, how sure."""
    lines = []
    users = {arm.name: arm.users for arm in comparison.arms}
    for lift in comparison.lifts:
        ratio = lift.adjusted_lift
        fewest = min(users[lift.arm], users[comparison.control])
        if fewest < FEW_USERS:
            message = f"only {fewest} user{'' if fewest == 1 else 's'} in one arm, too few to say"
        elif ratio is None:
            message = "not defined, one of the two arms has none"
        else:
            sure = "above" if ratio.low > 0 else "below" if ratio.high < 0 else "not separable from"
            said = f"{sure} the control" if comparison.split_is_sound else "not to be trusted"
            message = f"{ratio.value:+.1%} ({ratio.low:+.1%} to {ratio.high:+.1%}), {said}"
        lines.append(f"**{markdown_text(lift.arm)}**, {TITLES[lift.rate].lower()}: {message}.")
    if comparison.split_is_sound:
        lines.append(markdown_text(comparison.split_verdict))
    lines += map(markdown_text, comparison.left_out)
    if comparison.method:
        lines.append(markdown_text(comparison.method))
    title = _titled(f"against {comparison.control}", comparison)
    return text_widget(title=title, text="\n\n".join(lines))


def rates_widget(comparison: Comparison) -> BaseWidgetInfo:
    """Both rates of every arm as points with interval whiskers."""
    figure = go.Figure()
    arms = [arm for arm in comparison.arms if arm.users]
    names = [arm.name for arm in arms]
    for (rate, title), colour in zip(TITLES.items(), COLOURS, strict=True):
        values = [share for arm in arms if (share := arm.rate(rate))]
        figure.add_bar(
            name=title,
            x=names,
            y=[share.value for share in values],
            marker={"color": colour},
            opacity=1.0 if comparison.split_is_sound else DIMMED,
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [share.high - share.value for share in values],
                "arrayminus": [share.value - share.low for share in values],
            },
        )
    figure.update_yaxes(tickformat=".1%", rangemode="tozero", title="share of exposed users")
    figure.update_layout(barmode="group", bargap=0.5, legend={"orientation": "h", "y": 1.15})
    title = f"rates per arm, {100 * comparison.confidence:.4g}% intervals"
    return plotly_figure(title=_titled(title, comparison), figure=figure)


def lifts_widget(comparison: Comparison) -> BaseWidgetInfo:
    """Lift of every arm and rate against the control: alone, and adjusted for the others."""
    alone = f"{100 * comparison.confidence:.4g}% interval of it alone"
    return table_data(
        title=_titled(f"lift against {comparison.control}", comparison),
        column_names=["arm", "rate", "lift", "adjusted interval", "adjusted p", alone, "p alone"],
        data=[[lift.arm, TITLES[lift.rate], *_cells(lift)] for lift in comparison.lifts],
    )


def _titled(title: str, comparison: Comparison) -> str:
    """A title of results, which says so where they are not to be trusted."""
    if comparison.split_is_sound:
        return title[0].upper() + title[1:]
    return f"Not to be trusted: {title}"


def _cells(lift: Lift) -> list[str]:
    """Lift, intervals and p-values as text."""
    if lift.lift is None:
        return ["not defined"] * 5
    return [
        f"{lift.lift.value:+.1%}",
        _ends(lift.adjusted_lift),
        _p(lift.adjusted_p_value),
        _ends(lift.lift),
        _p(lift.p_value),
    ]


def _ends(lift: Interval | None) -> str:
    return "not defined" if lift is None else f"{lift.low:+.1%} to {lift.high:+.1%}"


def _p(value: float | None) -> str:
    if value is None:
        return "not defined"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
