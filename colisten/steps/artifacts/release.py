"""What becomes of a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from colisten.steps.artifacts.base import Values


@dataclass(frozen=True)
class Decision(Values):
    """What the gate decided: see `colisten.release.gate.GateDecision`."""

    passed: bool
    reasons: Sequence[str]
    warnings: Sequence[str]


@dataclass(frozen=True)
class Published(Values):
    """A published release; where it lies, the home of whoever reads it says.

    Attributes:
        release_id: Its id.
        promoted: Whether it is live.
        reasons, warnings: Of the gate.
    """

    release_id: str
    promoted: bool
    reasons: Sequence[str]
    warnings: Sequence[str]
