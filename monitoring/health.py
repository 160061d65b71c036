"""Widgets on what was planned and whether it came out so: what stands above every result."""

from __future__ import annotations

from colisten.extras import needs

needs("evidently")

from evidently.legacy.model.widget import BaseWidgetInfo
from evidently.legacy.renderers.html_widgets import table_data, text_widget

from colisten.experiments.design import ExperimentDesign
from colisten.experiments.log_rows import MOST_REQUESTS, LogRows
from colisten.experiments.reading import Comparison
from colisten.experiments.split import SLICES
from colisten.pages import markdown_text


def health_widgets(comparison: Comparison) -> list[BaseWidgetInfo]:
    """Planned and seen users; above them, where a check of health failed, that it did and why."""
    widgets = [] if comparison.is_sound else [_alarm(comparison)]
    widgets.append(_arms(comparison))
    if comparison.broken_slices:
        widgets.append(_slices(comparison))
    if not comparison.before_is_sound:
        widgets.append(_before(comparison))
    return widgets


def design_widget(design: ExperimentDesign) -> BaseWidgetInfo:
    """What was decided beforehand."""
    end = "open" if design.end is None else f"{design.end:%Y-%m-%d %H:%M UTC}"
    looks = ", ".join(f"{one:.0%}" for one in design.fractions) or "no last one"
    horizon = "" if design.horizon_users is None else f"{design.horizon_users:,} users"
    secondary = ", ".join(one.title for one in design.metrics if one.role == "secondary")
    rows = [
        ("experiment", design.name),
        ("arms planned", ", ".join(f"{arm} {share:.2%}" for arm, share in design.shares.items())),
        ("control", design.control),
        ("start", f"{design.start:%Y-%m-%d %H:%M UTC}"),
        ("end", end),
        ("horizon", horizon or ("the end" if design.end else "none")),
        ("looks, as shares of the horizon", looks),
        ("bounds of the looks", _bounds(design)),
        ("primary metric", design.metrics[0].title),
        ("secondary metrics", secondary or "none"),
        ("attribution window", f"{design.attribution_hours:g} hours"),
        ("confidence", f"{100 * design.confidence:.4g}%"),
    ]
    # Not a table, which on a phone would hide its second column.
    lines = [f"**{what}**: {markdown_text(how)}" for what, how in rows]
    return text_widget(title="Decided beforehand", text="\n\n".join(lines))


def _bounds(design: ExperimentDesign) -> str:
    if design.has_horizon:
        like = {"obrien_fleming": "O'Brien and Fleming", "pocock": "Pocock"}[design.spending]
        return f"Lan and DeMets, spent like {like}"
    return f"confidence sequence, narrowest at a reach of {design.smallest_lift:.3g}"


def rows_widgets(rows: LogRows) -> list[BaseWidgetInfo]:
    """What was read, and what became of odd rows."""
    lines = [
        ("showings", rows.showings, ""),
        ("showings at other dates", rows.other_showings, "count nowhere"),
        ("showings repeated", rows.repeated_showings, "count once"),
        ("requests of several users or arms", rows.torn_requests, "look into the log"),
        (f"users of over {MOST_REQUESTS} requests in a day", rows.busy_users, "count once each"),
        ("events", rows.events, ""),
        ("events repeated", rows.repeated_events, "count once"),
        ("events of users who were shown nothing", rows.orphan_events, "count nowhere"),
        ("starts after the window had closed", rows.late_starts, "count nowhere"),
    ]
    table = table_data(
        title="Rows of the experiment",
        column_names=["what", "how many", "what becomes of them"],
        data=[[what, f"{count:,}", fate] for what, count, fate in lines],
    )
    return [text_widget(title="What was read", text=markdown_text(rows.said)), table]


def _alarm(comparison: Comparison) -> BaseWidgetInfo:
    lines = []
    if not comparison.split_is_sound:
        lines.append(f"**{markdown_text(comparison.split_verdict)}**")
        if comparison.split_cause is not None:
            lines.append(f"Likeliest cause: {markdown_text(comparison.split_cause)}")
    if not comparison.before_is_sound:
        lines.append(f"**{markdown_text(comparison.before_verdict)}**")
    what = "arms were not alike" if comparison.split_is_sound else "the split is broken"
    return text_widget(title=f"Before any result: {what}", text="\n\n".join(lines))


def _before(comparison: Comparison) -> BaseWidgetInfo:
    titles = {metric.name: metric.title for metric in comparison.metrics}
    return table_data(
        title="What users did before their first showing",
        column_names=[
            "arm",
            "metric",
            "arm's",
            f"of {comparison.control}",
            "adjusted p",
            "verdict",
        ],
        data=[
            [
                one.arm,
                titles[one.metric],
                f"{one.value:.4g}",
                f"{one.control:.4g}",
                _p(one.adjusted_p_value),
                "" if one.is_sound else "differs",
            ]
            for one in comparison.before
        ],
    )


def _arms(comparison: Comparison) -> BaseWidgetInfo:
    rows = []
    for arm in comparison.arms:
        planned = comparison.planned_users(arm)
        rows.append(
            [
                arm.name,
                f"{arm.share:.2%}",
                f"{planned:,.1f}",
                f"{arm.users:,}",
                f"{arm.users / planned - 1:+.2%}",
            ]
        )
    slices = f", {len(comparison.slices)} slices by {', '.join(SLICES)} tested"
    p = "" if comparison.split_p_value is None else f", p = {_p(comparison.split_p_value)}"
    return table_data(
        title=f"Users per arm{p}{slices if comparison.slices else ''}",
        column_names=["arm", "share planned", "users planned", "users seen", "difference"],
        data=rows,
    )


def _slices(comparison: Comparison) -> BaseWidgetInfo:
    arms = [arm.name for arm in comparison.arms]
    return table_data(
        title="Where users are not split as planned",
        column_names=["by", "value", *(f"users of {arm}" for arm in arms), "adjusted p"],
        data=[
            [one.by, one.value, *(f"{one.users[arm]:,}" for arm in arms), _p(one.adjusted_p_value)]
            for one in comparison.broken_slices
        ],
    )


def _p(value: float) -> str:
    return f"{value:.1e}" if value < 0.001 else f"{value:.3f}"
