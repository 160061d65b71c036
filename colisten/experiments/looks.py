"""Which look at an experiment this is, and how far from zero its lifts have to lie for it.

A design with a horizon is read by group-sequential bounds at the looks that it plans, one without
by a confidence sequence at any time. Without a design one look is covered, as everywhere.

A reading between two planned looks is the earlier one, made late; what is known by then is the
information that it is judged by. Bounds are valid for one reading a look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Literal

from colisten.experiments.design import ExperimentDesign
from colisten.statistics.sequential import (
    LEAST_STEP,
    ONE_LOOK,
    Boundary,
    ConfidenceSequence,
    GroupSequential,
)

Method = Literal["one_look", "group_sequential", "confidence_sequence"]

EARLY = 0.01
"""A look is due so much of the horizon before it: the last row is seldom of the last second."""

_UNCOVERED = (
    "One look is covered, at the end: of experiments without any difference that are read daily, "
    "fourteen days show one in 23 of 100, not in 5. Looks that a design plans (--design) are "
    "covered, all together."
)


@dataclass(frozen=True)
class Look:
    """One look.

    Attributes:
        method: How looks are read.
        boundary: How far from zero a lift has to lie.
        bound: That for a lift alone, in standard errors; None where it differs from lift to lift.
        number: Which planned look it is, from 1; 0 before the first, None where none is planned.
        fractions: Information fractions of the planned looks, ascending.
        information: Share of the planned information that there is; None without a plan of it.
    """

    method: Method = "one_look"
    boundary: Boundary = ONE_LOOK
    bound: float | None = None
    number: int | None = None
    fractions: tuple[float, ...] = ()
    information: float | None = None

    @property
    def is_due(self) -> bool:
        """Whether there is anything to say yet."""
        return self.number != 0

    @property
    def is_last(self) -> bool:
        """Whether the experiment is over."""
        return self.number is not None and self.number == len(self.fractions)

    @property
    def said(self) -> str:
        """Which look it is, by what it is read, and whether one may stop."""
        if self.method == "one_look":
            return _UNCOVERED
        if self.method == "confidence_sequence":
            return (
                "No end is planned, so lifts are read by a confidence sequence, whose intervals "
                "hold at every look together, half as wide again as those of one look or more. One "
                "may look at any time, and stop for a lift whose adjusted interval leaves zero out."
            )
        assert self.information is not None
        there = f"{_percent(self.information)} of the planned information"
        if not self.is_due:
            return (
                f"No look is due: {there} is there, and the first look is at "
                f"{_percent(self.fractions[0])}. Nothing here is a verdict, and nobody should stop "
                "for it."
            )
        read = (
            f"at {there}. A lift alone has to lie {self.bound:.3f} standard errors from zero, so "
            "that all looks together are wrong as seldom as one (Lan and DeMets); one reading a "
            "look is covered."
        )
        if self.is_last:
            return f"The last look, {self.number} of {self.number}, {read}"
        return (
            f"Look {self.number} of {len(self.fractions)}, {read} One may stop now for a lift "
            "whose adjusted interval leaves zero out; otherwise the next look is at "
            f"{_percent(self.fractions[self.number or 0])}."
        )


UNPLANNED = Look(bound=ONE_LOOK.critical(0.05, 1.0))
"""The look of whoever has no design, at a confidence of 0.95."""


def look_of(
    design: ExperimentDesign | None,
    *,
    users: int,
    until: datetime | None = None,
    confidence: float = 0.95,
) -> Look:
    """The look that a design makes of a reading.

    Args:
        design: What was planned; None: nothing.
        users: Those with full follow-up, of all arms together.
        until: Moment of the last row that was read; None: the end.
        confidence: Mass of the intervals.
    """
    if design is None:
        return Look(bound=ONE_LOOK.critical(1 - confidence, 1.0))
    if not design.has_horizon:
        # Half the width of an interval at the information for which it is narrowest.
        half = math.log1p(design.smallest_lift)
        narrowest = ConfidenceSequence(1.0, 1 - confidence).critical(1 - confidence, 1.0)
        target = (narrowest / half) ** 2
        return Look("confidence_sequence", ConfidenceSequence(target, 1 - confidence))
    there = design.information(users, until or design.end or design.start)
    assert there is not None
    planned = design.fractions
    gap = min(after - one for one, after in pairwise((0.0, *planned)))
    due = [one for one in planned if one <= there + min(EARLY, gap / 4)]
    if _is_over(design, until) and len(due) < len(planned):
        # Fewer users came than were planned: what there is, is all there will be.
        read, number = (*due, 1.0), len(planned)
    elif due:
        # Late, a look knows more than was planned; early, it is taken for what it soon is.
        read, number = (*due[:-1], max(due[-1], there)), len(due)
    else:
        read, number = (max(there, LEAST_STEP),), 0
    boundary = GroupSequential(read, design.spending)
    bound = boundary.critical(1 - confidence, 1.0)
    return Look("group_sequential", boundary, bound, number, planned, there)


def _is_over(design: ExperimentDesign, until: datetime | None) -> bool:
    """Whether the end of a design is reached."""
    if design.end is None:
        return False
    return until is None or until >= design.end - EARLY * (design.end - design.start)


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
