"""Lifts of arms over their control, each read alone and all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colisten.statistics.holm import holm
from colisten.statistics.interval import Difference, Interval
from colisten.statistics.proportions import relative_lift
from colisten.statistics.sequential import ONE_LOOK, Boundary

RATES = ("stream_rate", "new_start_rate")


@dataclass(frozen=True)
class Lift:
    """Relative change of a rate of `arm` against the control, with a two-sided p-value.

    All four are None where a ratio is not defined: nobody saw the arm, or nobody converted in one
    of the two.

    Attributes:
        arm: Its name.
        rate: One of `RATES`.
        lift: Interval of this lift as if it were the only one.
        p_value: Of this lift as if it were the only one.
        adjusted_lift: The interval that agrees with `adjusted_p_value`; it holds `lift`.
        adjusted_p_value: Holm's, over all lifts of the experiment.
    """

    arm: str
    rate: str
    lift: Interval | None
    p_value: float | None
    adjusted_lift: Interval | None
    adjusted_p_value: float | None


@dataclass(frozen=True)
class Counts:
    """Users of an arm, and by rate how many of them did it."""

    users: int
    hits: Mapping[str, int]


def lifts_of(
    arms: Mapping[str, Counts],
    *,
    control: str,
    confidence: float,
    boundary: Boundary = ONE_LOOK,
) -> tuple[Lift, ...]:
    """Every lift of every other arm, in the order of `arms` and `RATES`.

    Verdicts are those of the adjusted figures: where no arm differs from the control, the chance
    that any of them says so is at most 1 - `confidence`, at all looks that `boundary` is of
    together. For its p-values are valid at all of them, and Holm's procedure asks no more: the
    chance that the smallest of m is ever below alpha / m is at most alpha (Maurer and Bretz,
    Statistics in Biopharmaceutical Research 5, 2013).
    """
    pairs = [(arm, rate) for arm in arms if arm != control for rate in RATES]
    alone = [_lift(arms, control, *pair, confidence, boundary) for pair in pairs]
    family = holm([None if one is None else one.p for one in alone], 1 - confidence)
    return tuple(
        Lift(arm, rate, None, None, None, None)
        if one is None or judged is None
        else Lift(
            arm,
            rate,
            _interval(one),
            one.p,
            _interval(_lift(arms, control, arm, rate, 1 - judged.level, boundary)),
            judged.p_value,
        )
        for (arm, rate), one, judged in zip(pairs, alone, family, strict=True)
    )


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


def _lift(
    arms: Mapping[str, Counts],
    control: str,
    arm: str,
    rate: str,
    confidence: float,
    boundary: Boundary,
) -> Difference | None:
    own, base = arms[arm], arms[control]
    return relative_lift(
        own.hits[rate], own.users, base.hits[rate], base.users, confidence, boundary
    )


def _interval(lift: Difference | None) -> Interval | None:
    return None if lift is None else Interval(lift.value, lift.low, lift.high, lift.confidence)
