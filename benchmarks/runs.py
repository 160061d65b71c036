"""Where a simulated world is cut, for benchmarks that train on it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from colisten.simulator import WorldReport
from colisten.steps.workflow import Window


def world_window(folder: Path, report: WorldReport) -> Window:
    """The window after the suggested cut of a simulated world."""
    cut = datetime.fromisoformat(str(report.cut)).replace(tzinfo=UTC)
    return Window(folder, cut, report.window_days)
