"""How old what answers stand on is, and what the last drift report found, for /metrics.

A service answers from an old release as well as from a new one, and nothing that counts answers
sees that the run which should have made another has not.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from colisten.data.moments import parse_moment
from colisten.json_files import read_model
from colisten.logs import logger
from colisten.serving import metrics
from colisten.serving.active_release import ActiveRelease
from colisten.store.drift_figures import FIGURES

_log = logger("serving.ages")

_LONG_AGO = 1.0
"""End of the window of a report that nobody can read: not the 0 of none, which no alert heeds."""


class DriftFigures(BaseModel):
    """What is read of a drift report.

    Attributes:
        until: End of its later window; None in reports of before.
        columns: Those that were compared, each with its score.
        drifted: Those that moved.
        causes: Of all that moved, columns or not; none in reports of before.
    """

    until: datetime | None = None
    columns: dict[str, float]
    drifted: tuple[str, ...]
    causes: tuple[dict[str, Any], ...] = ()


class Ages:
    """Tells Prometheus how old the served release, its features and the drift report are.

    Args:
        home: The output folder; a mirror of a store has the figures of drift, and no other report.
    """

    def __init__(self, home: Path) -> None:
        self._report = home / FIGURES
        self._seen: tuple[int, int] | None = None
        self._tell_drift(None, until=0.0)

    def tell(self, active: ActiveRelease) -> None:
        """Say it of the release that answers now."""
        release = active.release.manifest
        moments = {
            "made": active.made_at,
            "cut": parse_moment(release.as_of, "The cut"),
            "features": active.features.through,
        }
        for name, moment in moments.items():
            if moment is not None:
                metrics.RELEASE_MOMENT.labels(name).set(moment.timestamp())
        self._look_at_drift()

    def _look_at_drift(self) -> None:
        """Read the report, where it is another one than at the last look."""
        try:
            status = self._report.stat()
        except OSError:
            seen = None
        else:
            seen = status.st_ino, status.st_mtime_ns
        if seen == self._seen:
            return
        self._seen, figures = seen, None
        if seen is not None:
            try:
                figures = read_model(self._report, DriftFigures)
            except (OSError, ValidationError, ValueError) as error:
                _log.warning("drift_unreadable", error=str(error)[:500])
        self._tell_drift(figures, until=0.0 if seen is None else _LONG_AGO)

    def _tell_drift(self, figures: DriftFigures | None, *, until: float) -> None:
        compared, drifted, causes = 0, 0, 0
        if figures is not None:
            compared, drifted = len(figures.columns), len(figures.drifted)
            causes = len(figures.causes)
            until = 0.0 if figures.until is None else figures.until.timestamp()
        metrics.DRIFT_COLUMNS.labels("compared").set(compared)
        metrics.DRIFT_COLUMNS.labels("drifted").set(drifted)
        metrics.DRIFT_CAUSES.set(causes)
        metrics.DRIFT_MOMENT.set(until)
