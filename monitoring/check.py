"""One thing that was looked at, and what kinds of things there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from colisten.monitoring.limits import Limit

Kind = Literal[
    "column",
    "nulls",
    "text_vectors",
    "stale",
    "users_gone",
    "volume",
    "categories",
    "skew",
    "release",
    "taste",
    "mix",
    "vectors",
]
"""Causes, those that explain others first: a column that is gone explains its nulls, and these
explain that fewer users have a country."""

Judged = Literal["windows", "fixed", "not"]


@dataclass(frozen=True)
class Check:
    """A figure of the window beside what is usual.

    Attributes:
        kind: Which cause it speaks for.
        of: What it is of: a column, a country, `features`.
        value: Of the window; None where it has none, which is a reason to look.
        usual: In earlier windows; None where nobody knows.
        low, high: It has moved beyond either; None where that side is not looked at.
        judged: By earlier `windows`, by `fixed` limits for want of them, or `not`: too few rows.
        moved: Whether it has.
        says: The figure in a sentence.
        since: Beginning of the first window in which it was so; None where it has not moved.
    """

    kind: Kind
    of: str
    value: float | None
    usual: float | None
    low: float | None
    high: float | None
    judged: Judged
    moved: bool
    says: str
    since: datetime | None = None

    @property
    def name(self) -> str:
        """What tells it from others of one report."""
        return f"{self.kind}:{self.of}"

    @classmethod
    def of_limit(cls, kind: Kind, of: str, value: float, limit: Limit, says: str) -> Check:
        """A figure beside its limit."""
        moved = limit.passed_by(value)
        return cls(kind, of, value, limit.usual, limit.low, limit.high, limit.source, moved, says)

    @classmethod
    def not_judged(cls, kind: Kind, of: str, value: float | None, says: str) -> Check:
        """A figure that nothing can be said of."""
        return cls(kind, of, value, None, None, None, "not", False, says)


def share_text(share: float) -> str:
    """A share in words: `4.2 %`."""
    return f"{100 * share:.1f} %"
