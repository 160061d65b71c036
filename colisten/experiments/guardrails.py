"""What must not get worse: each guardrail's change against the control, read by its difference.

A difference is defined where a ratio is not: fallbacks that rise from none have no lift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from colisten.experiments.lifts import Pair
from colisten.experiments.means import Change
from colisten.experiments.metrics import Metric
from colisten.statistics.holm import holm
from colisten.statistics.interval import Interval


@dataclass(frozen=True)
class Guardrail:
    """One guardrail of one arm; all figures are None where too few users tell.

    Attributes:
        arm: Its name.
        metric: Name in `colisten.experiments.metrics`.
        difference: From the control, with the interval that agrees with `adjusted_p_value`.
        adjusted_p_value: Holm's, over all guardrails of the experiment, which are a family of
            their own: one that is missed costs more than one that cries wolf.
        worse: Whether it surely moved to the wrong side.
    """

    arm: str
    metric: str
    difference: Interval | None
    adjusted_p_value: float | None
    worse: bool


def guardrails_of(
    changes: Mapping[Pair, Change | None], metrics: Mapping[str, Metric], *, confidence: float
) -> tuple[Guardrail, ...]:
    """Guardrails in the order of `changes`.

    Args:
        changes: By arm and metric; None where it is not defined.
        metrics: By name, those of `changes`.
        confidence: Mass of the intervals of all together.
    """
    family = holm([None if one is None else one.p for one in changes.values()], 1 - confidence)
    found = []
    for ((arm, name), change), judged in zip(changes.items(), family, strict=True):
        if change is None or judged is None:
            found.append(Guardrail(arm, name, None, None, False))
            continue
        interval = change.interval(1 - judged.level)
        fell, rose = interval.high < 0, interval.low > 0
        worse = fell if metrics[name].direction == "up" else rose
        found.append(Guardrail(arm, name, interval, judged.p_value, worse))
    return tuple(found)
