"""Arms side by side: rates per user with intervals, lifts against the control, and a check that
the split came out as planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

import numpy as np
import pyarrow as pa

from colisten.errors import ConfigError, ReportError
from colisten.experiments.lifts import RATES, Counts, Lift, lifts_of, method_of
from colisten.experiments.log_rows import LogRows
from colisten.experiments.split import (
    SPLIT_P_VALUE,
    Slice,
    likeliest_cause,
    split_p_values,
    split_slices,
)
from colisten.settings.shares import check_control, listed, planned_shares
from colisten.statistics.interval import Interval
from colisten.statistics.proportions import wilson

COLUMNS = ("variant", "variants", "streams", "new_starts")
"""Columns of the outcomes that are read."""

MOST_UNPLANNED = 0.01
"""Largest share of users in arms outside the plan, a single user apart; more of them is a wrong
plan, not strays."""

MOST_CONFIDENCE = 0.9999


@dataclass(frozen=True)
class Arm:
    """One arm: exposed users and their rates (share of users with at least one).

    Attributes:
        name: As in `variant`.
        share: Planned share of users.
        users: Users who saw this arm and no other.
        stream_rate: None where nobody saw the arm, as `new_start_rate`.
    """

    name: str
    share: float
    users: int
    stream_rate: Interval | None
    new_start_rate: Interval | None

    def rate(self, name: str) -> Interval | None:
        """One of `RATES`."""
        return self.stream_rate if name == "stream_rate" else self.new_start_rate


@dataclass(frozen=True)
class Comparison:
    """The whole reading of an experiment.

    Attributes:
        control: Name of the arm that the others are compared with.
        arms: Every planned arm, the control first; also one that nobody saw.
        lifts: One per other arm and rate.
        split_p_value: Chi-square test of users per arm against the planned shares; None where
            one arm is planned, which nothing can be split into.
        slices: The same by surface, country and day of the first showing.
        excluded: Users who saw more than one arm; they are in no arm.
        unplanned: Users per arm that was shown but not planned; they are in no arm.
        confidence: Mass of the intervals.
        rows: What the rows of the files look like; None where outcomes were not read from files.
    """

    control: str
    arms: tuple[Arm, ...]
    lifts: tuple[Lift, ...]
    split_p_value: float | None
    slices: tuple[Slice, ...]
    excluded: int
    unplanned: dict[str, int]
    confidence: float
    rows: LogRows | None = None

    @property
    def empty_arms(self) -> tuple[str, ...]:
        """Planned arms that nobody saw."""
        return tuple(arm.name for arm in self.arms if not arm.users)

    @property
    def split_is_sound(self) -> bool:
        """Whether the users per arm can be a draw of the planned shares.

        They cannot below `SPLIT_P_VALUE`, as a whole or in a slice, or where nobody saw a planned
        arm: the assignment or the logging is broken (sample ratio mismatch).
        """
        unlikely = self.split_p_value is not None and self.split_p_value < SPLIT_P_VALUE
        return not unlikely and not self.empty_arms and not self.broken_slices

    @property
    def broken_slices(self) -> tuple[Slice, ...]:
        """Those in which users are no draw of the plan."""
        return tuple(one for one in self.slices if not one.is_sound)

    @property
    def split_cause(self) -> str | None:
        """The likeliest cause of a broken split, in a sentence; None where it is sound."""
        if self.split_is_sound:
            return None
        users = {arm.name: arm.users for arm in self.arms}
        plan = {arm.name: arm.share for arm in self.arms}
        return likeliest_cause(self.slices, users, plan, self.excluded)

    @property
    def split_verdict(self) -> str:
        """The split in one sentence."""
        if self.split_p_value is None:
            return "One arm only: there is no split to check."
        p = "p < 0.001" if self.split_p_value < 1e-3 else f"p = {self.split_p_value:.3f}"
        if self.split_is_sound:
            return f"The split matches the plan ({p})."
        missed = f"; nobody saw {listed(self.empty_arms)}" if self.empty_arms else ""
        if self.broken_slices and self.split_p_value >= SPLIT_P_VALUE:
            one = min(self.broken_slices, key=lambda found: found.p_value)
            missed += f" as a whole, but not in the {one.by} {listed([one.value])}"
        return f"Sample ratio mismatch: do not trust these figures ({p}{missed})."

    def planned_users(self, arm: Arm) -> float:
        """Users that the plan gives an arm, of all who are in one."""
        return arm.share * sum(one.users for one in self.arms)

    @property
    def method(self) -> str:
        """How several lifts are read together, in words; empty where there is none."""
        return method_of(self.lifts, self.confidence)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Sentences on the users who are in no arm."""
        sentences = []
        if self.excluded:
            sentences.append(f"Left out: {_users(self.excluded)} of several arms.")
        for arm, count in self.unplanned.items():
            sentences.append(
                f"Left out: {_users(count)} of the arm {listed([arm])}, which is not planned."
            )
        return tuple(sentences)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None where a figure is not defined."""
        return asdict(self) | {
            "split_is_sound": self.split_is_sound,
            "split_verdict": self.split_verdict,
            "split_cause": self.split_cause,
            "planned_users": {arm.name: self.planned_users(arm) for arm in self.arms},
            "method": self.method,
        }


def compare_arms(
    outcomes: pa.Table,
    *,
    control: str,
    shares: Mapping[str, float],
    confidence: float = 0.95,
) -> Comparison:
    """Read an experiment from `user_outcomes`.

    Rates are shares of users, so each user counts once however often they came; their
    intervals are Wilson's, those of the relative lifts Katz's (log ratio), alone and as a
    family. Users of arms that are not planned are left out and counted, as long as they are few.

    Args:
        outcomes: One row per exposed user.
        control: The arm to compare with.
        shares: Planned share of users per arm, as `colisten.settings.shares` reads them.
        confidence: Mass of the intervals, above 0 and at most `MOST_CONFIDENCE`.

    Raises:
        ConfigError: The shares are no plan or leave out the control, `confidence` is out of
            its bounds, or more than `MOST_UNPLANNED` of the users saw an unplanned arm.
        ReportError: Nobody saw the control, or `outcomes` lacks a column.
    """
    plan = planned_shares(shares)
    check_control(control, plan)
    confidence = _confidence(confidence)
    missing = [name for name in COLUMNS if name not in outcomes.column_names]
    if missing:
        raise ReportError(f"The outcomes lack {', '.join(missing)}.", "Make them by user_outcomes.")
    single = np.asarray(outcomes.column("variants")) == 1
    variants = np.asarray(outcomes.column("variant").to_pylist(), dtype=object)
    names = [control, *sorted(plan.keys() - {control})]
    rows = {name: (variants == name) & single for name in names}
    users = {name: int(members.sum()) for name, members in rows.items()}
    unplanned = _unplanned(variants[single], plan)
    split_p_value = _split_p_value(users, plan)
    if not users[control]:
        raise ReportError(
            f"The control arm {control!r} has no users, so nothing can be compared: of "
            f"{outcomes.num_rows:,} exposed users, {sum(users.values()):,} saw another planned "
            f"arm and {int((~single).sum()):,} several arms.",
            "Look into assignment and logging.",
        )
    counts = _counts(outcomes, rows)
    return Comparison(
        control=control,
        arms=tuple(
            Arm(name, plan[name], users[name], *_rates(counts[name], confidence)) for name in names
        ),
        lifts=lifts_of(counts, control=control, confidence=confidence),
        split_p_value=split_p_value,
        slices=split_slices(outcomes, rows, plan),
        excluded=int((~single).sum()),
        unplanned=unplanned,
        confidence=confidence,
    )


def _confidence(confidence: float) -> float:
    known = isinstance(confidence, Real) and not isinstance(confidence, bool)
    if not known or not 0 < confidence <= MOST_CONFIDENCE:
        raise ConfigError(
            f"The confidence {confidence!r} is not above 0 and at most {MOST_CONFIDENCE}.",
            "Say e.g. 0.95.",
        )
    return float(confidence)


def _counts(outcomes: pa.Table, rows: Mapping[str, np.ndarray]) -> dict[str, Counts]:
    """By arm who there was and who did what; `rows` are the users of each arm, bool."""
    happened = {
        rate: np.asarray(outcomes.column(column)) > 0
        for rate, column in zip(RATES, ("streams", "new_starts"), strict=True)
    }
    return {
        name: Counts(
            int(members.sum()), {rate: int(happened[rate][members].sum()) for rate in RATES}
        )
        for name, members in rows.items()
    }


def _users(count: int) -> str:
    return f"{count:,} user{'' if count == 1 else 's'}"


def _rates(counts: Counts, confidence: float) -> list[Interval | None]:
    if not counts.users:
        return [None for _ in RATES]
    return [wilson(counts.hits[rate], counts.users, confidence) for rate in RATES]


def _unplanned(variants: np.ndarray, plan: Mapping[str, float]) -> dict[str, int]:
    """Users per arm outside the plan, refused where they are more than a stray few."""
    strays = Counter(str(name) for name in variants if name not in plan)
    if sum(strays.values()) > max(1, MOST_UNPLANNED * len(variants)):
        arms = ", ".join(
            f"{listed([name])} ({_users(count)})" for name, count in sorted(strays.items())[:5]
        )
        raise ConfigError(
            f"Arms were shown but not planned: {arms}{', ...' if len(strays) > 5 else ''}.",
            f"Name them in the planned shares; those name {listed(plan)}.",
        )
    return dict(sorted(strays.items()))


def _split_p_value(users: Mapping[str, int], plan: Mapping[str, float]) -> float | None:
    total = sum(users.values())
    if len(users) < 2 or not total:
        return None
    seen = np.array([list(users.values())])
    return float(split_p_values(seen, np.array([plan[name] for name in users]))[0])
