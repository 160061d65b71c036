"""An experiment in one paragraph: its name, its dates, what was shown, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colisten.settings.shares import listed
from colisten.statistics.interval import FEW_USERS

if TYPE_CHECKING:
    from colisten.experiments.lifts import Lift
    from colisten.experiments.reading import Comparison

_NAME = "Experiment"


def summary_of(comparison: Comparison) -> str:
    """Name, dates, releases, attribution window and verdict, in that order."""
    return f"{_opening(comparison)} {_verdict(comparison)}"


def _opening(comparison: Comparison) -> str:
    rows, design = comparison.rows, comparison.design
    name = _NAME if design is None else f"{_NAME} {listed([design.name])}"
    users = sum(arm.users for arm in comparison.arms)
    who = f"{users:,} user{'' if users == 1 else 's'} in {len(comparison.arms)} arms"
    if rows is None:
        return f"{name}, {who}."
    shown = ", ".join(rows.releases[:5]) or "not recorded"
    if len(rows.releases) > 5:
        shown += f" and {len(rows.releases) - 5:,} more"
    plural = "release" if len(rows.releases) < 2 else "releases"
    return (
        f"{name}, first showing {rows.first_shown}, last row {rows.last_row}, {plural} {shown}: "
        f"{who}, starts of {listed([rows.target_type])} within {rows.attribution_hours:g} hours "
        "of a showing."
    )


def _verdict(comparison: Comparison) -> str:
    """Whether the figures can be trusted; where they can, what the primary metric says."""
    if not comparison.is_sound:
        return f"Not to be trusted: {' '.join(comparison.health)}"
    primary = comparison.primary
    lifts = [lift for lift in comparison.lifts if lift.metric == primary.name]
    if not lifts:
        return "There is no arm to compare."
    said = "; ".join(_said(lift, comparison) for lift in lifts)
    return f"{primary.title} against {listed([comparison.control])}: {said}."


def _said(lift: Lift, comparison: Comparison) -> str:
    followed = {arm.name: arm.followed for arm in comparison.arms}
    arm, ratio = listed([lift.arm]), lift.adjusted_lift
    if min(followed[lift.arm], followed[comparison.control]) < FEW_USERS:
        return f"{arm} has too few users to say"
    if ratio is None:
        return f"{arm} has no lift that is defined"
    sure = "higher" if ratio.low > 0 else "lower" if ratio.high < 0 else "not separable"
    return f"{arm} {ratio.value:+.1%} ({ratio.low:+.1%} to {ratio.high:+.1%}), {sure}"
