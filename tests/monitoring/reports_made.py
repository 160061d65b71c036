"""Reports as runs leave them, small and quick: what alerts and the workspace read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from colisten.json_files import write_json
from colisten.monitoring.runs import record_run
from colisten.settings.alerts import Report

START = datetime(2026, 1, 1, tzinfo=UTC)


def drift_figures(day: int, *causes: str, column: str = "age", **more: Any) -> dict[str, Any]:
    """Figures of a drift report whose window ends so many days after `START`."""
    until = START + timedelta(days=day)
    verdict = "moved" if causes else "quiet"
    return {
        "format": 2,
        "verdict": verdict,
        "summary": f"Drift to {until:%Y-%m-%d}, release r1: {verdict}.",
        "causes": [{"cause": cause, "of": [column], "since": None} for cause in causes],
        "release": "r1",
        "until": until.isoformat(),
        "users": 1000 + day,
        "checks": [{"kind": "taste", "of": column, "value": 0.1 + day / 100, "moved": False}],
        "columns": {column: 0.1 + day / 100},
        "drifted": [column] if causes else [],
        "spread": {column: {"low": 18.0, "median": 35.0 + day, "high": 90.0, "missing": 0.0}},
        **more,
    }


def write_report(
    home: Path, figures: dict[str, Any], report: Report = "drift", *, keep: int = 60
) -> None:
    """A report's file and what is kept of the run, as a step leaves them."""
    write_json(home / "reports" / f"{report}.json", figures)
    said = figures.get("until")
    moment = None if said is None else datetime.fromisoformat(said)
    record_run(home, report, figures, keep=keep, moment=moment)
