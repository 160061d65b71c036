"""The primary metric's lift in segments of the users: where it came from, not whether it is there.

Many segments find something somewhere. Benjamini and Hochberg (1995) hold the share of false ones
among those that are called: 5 % of them, not 5 % of all segments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.stats import false_discovery_control

from colisten.experiments.figures import figures_of
from colisten.experiments.metrics import Metric
from colisten.statistics.interval import FEW_USERS, Interval
from colisten.statistics.sequential import ONE_LOOK, Boundary

SEGMENTS = ("country", "surface", "history")
"""Columns of the outcomes, where they are there."""

MOST_VALUES = 12
"""Values of a column that are looked at, the largest first: more of them is no reading."""


@dataclass(frozen=True)
class Segment:
    """Users of one value of one column, of one arm beside the control.

    Attributes:
        by: One of `SEGMENTS`.
        value: Of the column.
        arm: Its name.
        users: Of the arm and the control together.
        lift: Of this segment alone; None where it is not defined.
        p_value: Of this segment alone.
        adjusted_p_value: Benjamini and Hochberg's, over all segments and arms. One that is not
            defined counts as a test that found nothing.
    """

    by: str
    value: str
    arm: str
    users: int
    lift: Interval | None
    p_value: float | None
    adjusted_p_value: float


def segment_lifts(
    outcomes: pa.Table,
    members: Mapping[str, np.ndarray],
    metric: Metric,
    *,
    control: str,
    confidence: float,
    boundary: Boundary = ONE_LOOK,
) -> tuple[Segment, ...]:
    """Every segment with at least `FEW_USERS` of an arm and of the control.

    Args:
        outcomes: One row per exposed user.
        members: By arm which of them count in it, bool.
        metric: The primary.
        control: The arm to compare with.
        confidence: Mass of each interval, alone.
        boundary: How far a score has to lie from zero at this look.
    """
    found: list[tuple[str, str, str, int, Interval | None, float | None]] = []
    for by in (name for name in SEGMENTS if name in outcomes.column_names):
        for value, inside in _largest(outcomes.column(by), members):
            figures = {
                arm: figures_of(outcomes, own & inside, [metric]) for arm, own in members.items()
            }
            base = figures[control]
            for arm, own in figures.items():
                if arm == control or min(own.users, base.users) < FEW_USERS:
                    continue
                change = own.change(base, metric)
                ratio = None if change is None or change.ratio is None else change.ratio
                lift = None if ratio is None else ratio.lift(confidence, boundary)
                interval = lift and Interval(lift.value, lift.low, lift.high, confidence)
                users = own.users + base.users
                found.append((by, value, arm, users, interval, None if lift is None else lift.p))
    if not found:
        return ()
    adjusted = false_discovery_control([1.0 if p is None else p for *_, p in found])
    return tuple(Segment(*one, float(p)) for one, p in zip(found, adjusted, strict=True))


def _largest(
    values: pa.ChunkedArray, members: Mapping[str, np.ndarray]
) -> list[tuple[str, np.ndarray]]:
    """By value of a column its users, bool; the `MOST_VALUES` with most users, none without."""
    coded = values.combine_chunks().dictionary_encode()
    names = coded.dictionary.to_pylist()
    codes = np.asarray(coded.indices.fill_null(-1))
    counted = np.any(list(members.values()), axis=0) & (codes >= 0)
    sizes = np.bincount(codes[counted], minlength=len(names))
    order = sorted(range(len(names)), key=lambda at: (-sizes[at], str(names[at])))
    return [(str(names[at]), codes == at) for at in order[:MOST_VALUES] if sizes[at]]
