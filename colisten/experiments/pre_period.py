"""An A/A test on what users did before their first showing: arms that differ there are no draw.

Nothing that an arm shows can have changed it, so a difference says that users were not drawn (an
arm got the eager ones), or that the past of one arm is not logged as the other's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from colisten.experiments.figures import figures_of, metric_values
from colisten.experiments.metrics import Metric
from colisten.experiments.outcomes_sql import PRE_DAYS
from colisten.settings.shares import listed
from colisten.statistics.holm import holm

BEFORE_P_VALUE = 1e-3
"""Differences less likely than this among all that are tested are no chance: the level of the
split's test, since a false alarm costs as much."""

FEWEST_ACTIVE = 20
"""With fewer users of an arm and the control who did it before, there is nothing to test."""


@dataclass(frozen=True)
class Before:
    """One metric of one arm before the first showing.

    Attributes:
        arm: Its name.
        metric: Name of the metric whose counterpart it is.
        value: Of the arm, a mean or a share.
        control: Of the control.
        p_value: Of no difference, two-sided.
        adjusted_p_value: Holm's, over all of these tests.
    """

    arm: str
    metric: str
    value: float
    control: float
    p_value: float
    adjusted_p_value: float

    @property
    def is_sound(self) -> bool:
        """Whether it can be chance, given how many are looked at."""
        return self.adjusted_p_value >= BEFORE_P_VALUE


def compare_before(
    outcomes: pa.Table,
    members: Mapping[str, np.ndarray],
    metrics: Sequence[Metric],
    *,
    control: str,
) -> tuple[Before, ...]:
    """Every metric that has a counterpart before the first showing, of every arm.

    Args:
        outcomes: One row per exposed user.
        members: By arm which of them are in it, bool.
        metrics: Those that are measured.
        control: The arm to compare with.
    """
    past = [
        replace(metric, numerator=metric.covariate, denominator=None, covariate=None)
        for metric in metrics
        if metric.covariate is not None and metric.covariate in outcomes.column_names
    ]
    figures = {arm: figures_of(outcomes, own, past) for arm, own in members.items()}
    active = {
        metric.name: {
            arm: np.count_nonzero(metric_values(outcomes, metric)[own])
            for arm, own in members.items()
        }
        for metric in past
    }
    found: list[tuple[str, Metric, float, float, float]] = []
    for arm in (arm for arm in members if arm != control):
        for metric in past:
            change = figures[arm].change(figures[control], metric)
            values = [figures[one].value(metric, 0.95) for one in (arm, control)]
            did = active[metric.name][arm] + active[metric.name][control]
            if change is not None and values[0] and values[1] and did >= FEWEST_ACTIVE:
                found.append((arm, metric, values[0].value, values[1].value, change.p))
    family = holm([p for *_, p in found], BEFORE_P_VALUE)
    return tuple(
        Before(arm, metric.name, own, base, p, 1.0 if judged is None else judged.p_value)
        for (arm, metric, own, base, p), judged in zip(found, family, strict=True)
    )


def before_verdict(before: Sequence[Before], metrics: Sequence[Metric]) -> str:
    """What `compare_before` found, in a sentence."""
    if not before:
        return (
            f"Too few users did anything in the {PRE_DAYS} days before their first showing to "
            "compare arms there."
        )
    broken = [one for one in before if not one.is_sound]
    if not broken:
        smallest = min(one.adjusted_p_value for one in before)
        return (
            f"In the {PRE_DAYS} days before their first showing users of all arms were alike "
            f"({len(before)} tests, smallest adjusted p = {smallest:.3f})."
        )
    worst = min(broken, key=lambda one: one.p_value)
    title = next(metric.title for metric in metrics if metric.name == worst.metric)
    return (
        f"Users of {listed([worst.arm])} were not like the control's in the {PRE_DAYS} days before "
        f"their first showing: do not trust these figures ({title.lower()} {worst.value:.4g} "
        f"against {worst.control:.4g}, adjusted p = {worst.adjusted_p_value:.1e}). Either users "
        "were not drawn, or the past of one arm is not logged as the other's."
    )
