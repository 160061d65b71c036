"""Widgets on what an experiment found: the verdict, values, lifts, guardrails, days, segments."""

from __future__ import annotations

from colisten.extras import needs

needs("evidently", "plotly")

from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go
from evidently.legacy.model.widget import BaseWidgetInfo
from evidently.legacy.renderers.html_widgets import plotly_figure, table_data, text_widget

from colisten.experiments.lifts import Lift
from colisten.experiments.metrics import Metric
from colisten.experiments.reading import Comparison
from colisten.pages import markdown_text
from colisten.statistics.interval import FEW_USERS, Interval

COLOURS = ("#1b6ca8", "#9db4c0", "#c7702e", "#5b8c5a", "#7a5c99")
DIMMED = 0.35
"""Opacity of results where a check of health failed."""

UNDEFINED = "not defined"


def effect_widgets(comparison: Comparison) -> list[BaseWidgetInfo]:
    """What was found, the verdict first."""
    widgets = [_verdict(comparison), _shares(comparison), _lifts(comparison)]
    if comparison.guardrails:
        widgets.append(_guardrails(comparison))
    if any(one.lift for one in comparison.days):
        widgets.append(_days(comparison))
    if comparison.segments:
        widgets.append(_segments(comparison))
    return widgets


def _verdict(comparison: Comparison) -> BaseWidgetInfo:
    """The experiment in words: what moved, by how much, how sure."""
    titles = _titles(comparison)
    lines = [
        f"**{markdown_text(lift.arm)}**, {titles[lift.metric].lower()}: {_said(lift, comparison)}."
        for lift in comparison.lifts
    ]
    lines += map(markdown_text, comparison.guarded)
    if comparison.is_sound:
        lines += map(markdown_text, (comparison.split_verdict, comparison.before_verdict))
    lines += map(markdown_text, (*comparison.left_out, *comparison.notes))
    lines += [markdown_text(said) for said in (comparison.look.said, comparison.method) if said]
    title = _titled(f"against {comparison.control}", comparison)
    return text_widget(title=title, text="\n\n".join(lines))


def _said(lift: Lift, comparison: Comparison) -> str:
    """What one lift says, in words."""
    followed = {arm.name: arm.followed for arm in comparison.arms}
    fewest = min(followed[lift.arm], followed[comparison.control])
    if fewest < FEW_USERS:
        return f"only {fewest} user{'' if fewest == 1 else 's'} in one arm, too few to say"
    ratio = lift.adjusted_lift
    if ratio is None:
        return "not defined, one of the two arms has none"
    sure = "above" if ratio.low > 0 else "below" if ratio.high < 0 else "not separable from"
    said = f"{sure} the control" if comparison.is_sound else "not to be trusted"
    if not comparison.look.is_due:
        return f"{ratio.value:+.1%} ({ratio.low:+.1%} to {ratio.high:+.1%}), no look is due yet"
    if comparison.is_sound and ratio.low <= 0 <= ratio.high and lift.detectable is not None:
        said += f"; a lift of {lift.detectable:.1%} would have been found four times in five"
    return f"{ratio.value:+.1%} ({ratio.low:+.1%} to {ratio.high:+.1%}), {said}"


def _shares(comparison: Comparison) -> BaseWidgetInfo:
    """Every share of users of every arm as bars with interval whiskers."""
    figure = go.Figure()
    arms = [arm for arm in comparison.arms if arm.users]
    shares = [metric for metric in comparison.metrics if metric.share]
    for metric, colour in zip(shares, COLOURS, strict=False):
        shown = [(arm.name, share) for arm in arms if (share := arm.values[metric.name])]
        figure.add_bar(
            name=metric.title,
            x=[name for name, _ in shown],
            y=[share.value for _, share in shown],
            marker={"color": colour},
            opacity=1.0 if comparison.is_sound else DIMMED,
            error_y=_reach(share for _, share in shown),
        )
    figure.update_yaxes(tickformat=".1%", rangemode="tozero", title="share of exposed users")
    figure.update_layout(barmode="group", bargap=0.5, legend={"orientation": "h", "y": 1.15})
    title = f"rates per arm, {100 * comparison.confidence:.4g}% intervals{_alone(comparison)}"
    return plotly_figure(title=_titled(title, comparison), figure=figure)


def _lifts(comparison: Comparison) -> BaseWidgetInfo:
    """Lift of every arm and metric against the control: alone, and adjusted for the others."""
    alone = f"{100 * comparison.confidence:.4g}% interval of it alone"
    known = {metric.name: metric for metric in comparison.metrics}
    return table_data(
        title=_titled(f"lift against {comparison.control}", comparison),
        column_names=[
            *("arm", "metric", "lift", "adjusted interval", "adjusted p", alone, "p alone"),
            "would be found",
        ],
        data=[[lift.arm, _role(known[lift.metric]), *_cells(lift)] for lift in comparison.lifts],
    )


def _guardrails(comparison: Comparison) -> BaseWidgetInfo:
    """Change of every arm and guardrail against the control, by the difference."""
    known = {metric.name: metric for metric in comparison.metrics}
    values = {arm.name: arm.values for arm in comparison.arms}
    rows = []
    for one in comparison.guardrails:
        metric, change = known[one.metric], one.difference
        ends = UNDEFINED
        if change is not None:
            low, high = (metric.said(end, sign=True) for end in (change.low, change.high))
            ends = f"{low} to {high}"
        verdict = "got worse" if one.worse else "no worse seen" if change else "too few to say"
        rows.append(
            [
                one.arm,
                metric.title,
                metric.interval_said(values[comparison.control][one.metric]),
                metric.interval_said(values[one.arm][one.metric]),
                ends,
                _p(one.adjusted_p_value),
                verdict if comparison.is_sound else "not to be trusted",
            ]
        )
    return table_data(
        title=_titled(f"what must not get worse{_alone(comparison)}", comparison),
        column_names=[
            *("arm", "metric", f"value of {comparison.control}", "value", "difference"),
            *("adjusted p", "verdict"),
        ],
        data=rows,
    )


def _days(comparison: Comparison) -> BaseWidgetInfo:
    """Lift of new starts by days since the first showing, a line per arm."""
    figure = go.Figure()
    arms = dict.fromkeys(one.arm for one in comparison.days)
    for arm, colour in zip(arms, COLOURS * len(arms), strict=False):
        shown = [(one.day, one.lift) for one in comparison.days if one.arm == arm and one.lift]
        figure.add_scatter(
            name=arm,
            mode="lines+markers",
            x=[day for day, _ in shown],
            y=[lift.value for _, lift in shown],
            marker={"color": colour},
            opacity=1.0 if comparison.is_sound else DIMMED,
            error_y=_reach(lift for _, lift in shown),
        )
    figure.add_hline(y=0, line={"width": 1, "dash": "dot"})
    figure.update_yaxes(tickformat="+.0%", title="lift of new starts")
    figure.update_xaxes(title="days since the first showing")
    figure.update_layout(legend={"orientation": "h", "y": 1.15})
    title = "lift by days since the first showing, each day alone"
    return plotly_figure(title=_titled(title, comparison), figure=figure)


def _segments(comparison: Comparison) -> BaseWidgetInfo:
    """The primary lift by country, surface and history."""
    level = 1 - comparison.confidence
    rows = []
    for one in comparison.segments:
        called = one.adjusted_p_value <= level and one.lift is not None
        side = "above" if one.lift is not None and one.lift.value > 0 else "below"
        rows.append(
            [
                one.by,
                one.value,
                one.arm,
                f"{one.users:,}",
                UNDEFINED if one.lift is None else f"{one.lift.value:+.1%}",
                _ends(one.lift),
                _p(one.adjusted_p_value),
                f"{side} the control" if called and comparison.is_sound else "",
            ]
        )
    return table_data(
        title=_titled(f"{comparison.primary.title.lower()} by segment", comparison),
        column_names=[
            *("segment", "value", "arm", "users", "lift", "interval of it alone"),
            *("p among all segments", "called"),
        ],
        data=rows,
    )


def _alone(comparison: Comparison) -> str:
    """What a title says of figures that are not of the bounds of all looks."""
    return "" if comparison.look.method == "one_look" else ", as if this were the only look"


def _titles(comparison: Comparison) -> dict[str, str]:
    return {metric.name: metric.title for metric in comparison.metrics}


def _role(metric: Metric) -> str:
    return f"{metric.title} (primary)" if metric.role == "primary" else metric.title


def _titled(title: str, comparison: Comparison) -> str:
    """A title of results, which says so where they are not to be trusted."""
    if comparison.is_sound:
        return title[0].upper() + title[1:]
    return f"Not to be trusted: {title}"


def _cells(lift: Lift) -> list[str]:
    """Lift, intervals, p-values and the lift that would be found, as text."""
    found = UNDEFINED if lift.detectable is None else f"{lift.detectable:.1%}"
    if lift.lift is None:
        return [UNDEFINED] * 5 + [found]
    return [
        f"{lift.lift.value:+.1%}",
        _ends(lift.adjusted_lift),
        _p(lift.adjusted_p_value),
        _ends(lift.lift),
        _p(lift.p_value),
        found,
    ]


def _ends(lift: Interval | None) -> str:
    return UNDEFINED if lift is None else f"{lift.low:+.1%} to {lift.high:+.1%}"


def _p(value: float | None) -> str:
    if value is None:
        return UNDEFINED
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _reach(intervals: Iterable[Interval]) -> dict[str, Any]:
    """Error bars from the ends of intervals, as plotly takes them."""
    found = list(intervals)
    return {
        "type": "data",
        "symmetric": False,
        "array": [one.high - one.value for one in found],
        "arrayminus": [one.value - one.low for one in found],
    }
