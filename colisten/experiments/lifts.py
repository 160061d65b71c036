"""Lifts of arms over their control, each read alone and all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colisten.statistics.holm import holm
from colisten.statistics.interval import Difference, Interval
from colisten.statistics.log_ratio import LogRatio
from colisten.statistics.sequential import ONE_LOOK, Boundary


@dataclass(frozen=True)
class Lift:
    """Relative change of a metric of `arm` against the control, with a two-sided p-value.

    The first four are None where a ratio is not defined: nobody saw the arm, or nobody converted
    in one of the two.

    Attributes:
        arm: Its name.
        metric: Name in `colisten.experiments.metrics`.
        lift: Interval of this lift as if it were the only one.
        p_value: Of this lift as if it were the only one.
        adjusted_lift: The interval that agrees with `adjusted_p_value`; it holds `lift`.
        adjusted_p_value: Holm's, over all lifts of the experiment.
        detectable: Lift that so many users show in four of five experiments, judged as the
            strictest of the family is; None where it is not defined.
    """

    arm: str
    metric: str
    lift: Interval | None
    p_value: float | None
    adjusted_lift: Interval | None
    adjusted_p_value: float | None
    detectable: float | None = None


Pair = tuple[str, str]
"""An arm and a metric."""


def lifts_of(
    ratios: Mapping[Pair, LogRatio | None],
    *,
    confidence: float,
    detectable: Mapping[Pair, float | None] | None = None,
    boundary: Boundary = ONE_LOOK,
) -> tuple[Lift, ...]:
    """Lifts of ratios to the control, in their order.

    Verdicts are those of the adjusted figures: where no arm differs from the control, the chance
    that any of them says so is at most 1 - `confidence`, at all looks that `boundary` is of
    together. For its p-values are valid at all of them, and Holm's procedure asks no more: the
    chance that the smallest of m is ever below alpha / m is at most alpha (Maurer and Bretz,
    Statistics in Biopharmaceutical Research 5, 2013).

    Args:
        ratios: By arm and metric; None where it is not defined.
        confidence: Mass of the intervals.
        detectable: By arm and metric, where it is known.
        boundary: How far a score has to lie from zero at this look.
    """
    alone = [None if one is None else one.lift(confidence, boundary) for one in ratios.values()]
    family = holm([None if one is None else one.p for one in alone], 1 - confidence)
    found = []
    for ((arm, metric), ratio), one, judged in zip(ratios.items(), alone, family, strict=True):
        shows = (detectable or {}).get((arm, metric))
        if ratio is None or one is None or judged is None:
            found.append(Lift(arm, metric, None, None, None, None, shows))
            continue
        adjusted = _interval(ratio.lift(1 - judged.level, boundary))
        found.append(Lift(arm, metric, _interval(one), one.p, adjusted, judged.p_value, shows))
    return tuple(found)


def method_of(lifts: Sequence[Lift], confidence: float) -> str:
    """How several lifts are read together, in words; empty where there is none."""
    if not lifts:
        return ""
    return (
        f"{len(lifts)} lifts are read together by Holm's procedure: where no arm differs from the "
        f"control, the chance that any lift says so is at most {100 * (1 - confidence):.3g}%. "
        "Adjusted intervals leave zero out exactly where the adjusted p does not exceed that, and "
        f"each is at least as wide as the {100 * confidence:.4g}% interval of its lift alone."
    )


def _interval(lift: Difference) -> Interval:
    return Interval(lift.value, lift.low, lift.high, lift.confidence)
