"""Lift by days since a user's first showing: whether what is new wears off, or takes its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from colisten.experiments.means import Moments, change_of
from colisten.experiments.metrics import Metric
from colisten.statistics.interval import FEW_USERS, Interval
from colisten.statistics.sequential import ONE_LOOK, Boundary

MOST_DAYS = 28
"""Days that are looked at."""

DAILY = Metric(
    "new_starts_on_day",
    "New starts on the day",
    "new_starts_on_day",
    "that day, within the attribution window of a showing",
    "items started for the first time, per user who was there on that day",
    "up",
    "secondary",
)


@dataclass(frozen=True)
class DayLift:
    """New starts of what was shown on one day, of one arm beside the control.

    Attributes:
        arm: Its name.
        day: Since the first showing; the first 24 hours are 0.
        users: Of the arm, those who could be watched to the day's end.
        control_users: Likewise of the control.
        lift: Of new starts per such user; None where one of the two has none.
    """

    arm: str
    day: int
    users: int
    control_users: int
    lift: Interval | None


def day_lifts(
    outcomes: pa.Table,
    members: Mapping[str, np.ndarray],
    *,
    control: str,
    confidence: float,
    boundary: Boundary = ONE_LOOK,
) -> tuple[DayLift, ...]:
    """Every day that at least `FEW_USERS` of an arm and of the control reach the end of.

    Args:
        outcomes: One row per exposed user; without days nothing is found.
        members: By arm which of them count in it, bool.
        control: The arm to compare with.
        confidence: Mass of each interval, alone.
        boundary: How far a score has to lie from zero at this look.
    """
    if not {"observed_days", "new_start_days"} <= set(outcomes.column_names):
        return ()
    watched = np.asarray(outcomes.column("observed_days"), dtype=np.float64)
    lists = outcomes.column("new_start_days").combine_chunks()
    counts = np.asarray(lists.value_lengths())
    days = np.asarray(lists.flatten())
    users = np.repeat(np.arange(len(counts)), counts)
    found = []
    for day in range(MOST_DAYS):
        there = watched >= day + 1
        base = members[control] & there
        if np.count_nonzero(base) < FEW_USERS:
            break
        starts = np.bincount(users[days == day], minlength=len(counts)).astype(np.float64)
        theirs = Moments.of([DAILY.name], starts[base, None])
        for arm in (arm for arm in members if arm != control):
            own = Moments.of([DAILY.name], starts[members[arm] & there, None])
            if own.users < FEW_USERS:
                continue
            change = change_of(own, theirs, DAILY)
            lift = change and change.ratio and change.ratio.lift(confidence, boundary)
            interval = lift and Interval(lift.value, lift.low, lift.high, confidence)
            found.append(DayLift(arm, day, own.users, theirs.users, interval or None))
    return tuple(found)
