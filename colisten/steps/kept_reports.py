"""What steps leave of a report for alerts and for Evidently's UI: `colisten.monitoring.runs`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from colisten.errors import ReportError
from colisten.json_files import read_mapping, write_json
from colisten.steps.artifacts.release import Published
from colisten.words import known_word


def keep_drift(home: Path, until: datetime, keep: int) -> None:
    """Keep the figures of the drift report that was just written.

    Args:
        home: Folder with the reports.
        until: End of the window; a report of the same window takes the place of that before.
        keep: How many are kept.
    """
    from colisten.monitoring.runs import record_run

    figures = read_mapping(home / "reports" / "drift.json")
    record_run(home, "drift", figures, keep=keep, moment=until)


def keep_experiment(page: Path, keep: int) -> None:
    """Keep the figures of the experiment's report that was just written.

    Args:
        page: Its page, in the reports of a folder.
        keep: How many are kept; the same figures again are the same report.
    """
    from colisten.monitoring.runs import record_run

    figures = read_mapping(page.with_suffix(".json"))
    record_run(page.parent.parent, "experiment", figures, keep=keep)


def keep_gate(home: Path, published: Published, passed: bool, cut: datetime, keep: int) -> None:
    """Write what the gate said of a candidate as `reports/gate.json`, and keep it.

    Args:
        home: Folder with the reports.
        published: The candidate.
        passed: Whether the gate let it through; a signature may still have kept it from serving.
        cut: What the candidate was learned up to.
        keep: How many are kept.
    """
    from colisten.monitoring.runs import record_run

    figures = {
        "as_of": cut.isoformat(),
        "release_id": published.release_id,
        "passed": passed,
        "promoted": published.promoted,
        "reasons": list(published.reasons),
        "warnings": list(published.warnings),
    }
    write_json(home / "reports" / "gate.json", figures)
    key = f"{published.release_id} {cut.isoformat()}"
    record_run(home, "gate", figures, keep=keep, moment=cut, key=key)


def fail_on_drift(home: Path, gravest: Literal["page", "ticket"] | None) -> None:
    """Let a pipeline fail by the alerts on its drift report.

    Args:
        home: Folder with the reports.
        gravest: From which severity; None: never.

    Raises:
        ReportError: One fires.
    """
    from colisten.monitoring.alerts import check_alerts, utc_now
    from colisten.settings.alerts import DEFAULT_RULES, SEVERITIES

    if gravest is None:
        return
    known_word("Severity", gravest, SEVERITIES)
    counted = SEVERITIES[: SEVERITIES.index(gravest) + 1]
    firing = [
        f"{alert.name}: {alert.sentence}"
        for alert in check_alerts(home, DEFAULT_RULES, utc_now())
        if alert.fires
        and alert.report == "drift"
        and alert.severity in counted
        # A cut of long ago is somebody's wish and no fault of the report.
        and alert.name != "drift_stale"
    ]
    if firing:
        raise ReportError(
            " ".join(firing), "The report is written; see docs/monitoring.md for what to do."
        )
