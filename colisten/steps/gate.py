"""Step: may this candidate be promoted?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

from colisten.settings.sections import GateSettings
from colisten.steps.artifacts.measures import Measured
from colisten.steps.artifacts.release import Decision
from colisten.steps.artifacts.reports import Metrics
from colisten.steps.settings import Setting


class Gated(NamedTuple):
    """The verdict."""

    decision: Decision
    metrics: Metrics


def gate(table: Measured, home: Path, *, limits: Annotated[GateSettings, Setting("gate")]) -> Gated:
    """Judge the figures from before the cut, alone and against the live release.

    Args:
        table: Evaluation on the window before the cut.
        home: Folder that owns the releases.
    """
    from colisten.release.gate import decide
    from colisten.release.store import ReleaseStore

    live = ReleaseStore(home).live_manifest()
    verdict = decide(
        table.table.model_dump(mode="json"), live.metrics if live is not None else None, limits
    )
    return Gated(Decision(**verdict.to_dict()), Metrics({"passed": float(verdict.passed)}))
