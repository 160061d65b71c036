"""Several tests read together: Holm's step-down procedure (1979).

One test in twenty shows a change that is not there, so four of them on a page show one in up to a
fifth of pages. Holm's holds the chance of *any* false one, whatever hangs together with what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Judged:
    """One test of several.

    Attributes:
        p_value: Adjusted: at most alpha exactly where Holm's procedure rejects.
        level: The part of alpha by which the test was judged. An interval of mass 1 - level
            leaves zero out exactly where the procedure rejects.
    """

    p_value: float
    level: float


def holm(p_values: Sequence[float | None], alpha: float) -> list[Judged | None]:
    """Judge tests as one family, in their order.

    Args:
        p_values: Of every test that was planned; None where it could not be made. Such a one is
            not judged but counts as a test, or data could shrink the family.
        alpha: Chance of one false rejection or more.
    """
    tests = len(p_values)
    judged: list[Judged | None] = [None] * tests
    adjusted, rejects = 0.0, True
    level = alpha
    ranked = sorted((p, at) for at, p in enumerate(p_values) if p is not None)
    for rank, (p, at) in enumerate(ranked):
        if rejects:
            level = alpha / (tests - rank)
            rejects = p <= level
        adjusted = max(adjusted, min(1.0, (tests - rank) * p))
        judged[at] = Judged(adjusted, level)
    return judged
