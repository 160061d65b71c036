"""The ablations as one HTML page that needs no network: who is hurt by what."""

from __future__ import annotations

from colisten.ablations.registry import FULL
from colisten.ablations.report import AblationReport, verdicts
from colisten.evaluation.comparison import Contrast
from colisten.evaluation.table import SLICES
from colisten.pages import Page
from colisten.reports.charts import Row, Scale, ends
from colisten.reports.render import render
from colisten.reports.verdict import headline_metrics, nothing_to_measure, number


def to_html(report: AblationReport) -> Page:
    """A whole page, the same bytes for the same report."""
    table = report.table
    title = f"Ablations at {table.cut[:10]}"
    if table.empty:
        return render("ablations", title, report=report, nothing=nothing_to_measure(table))
    metrics = headline_metrics(table)
    return render(
        "ablations",
        title,
        report=report,
        nothing="",
        full=FULL,
        metrics=metrics,
        verdicts=verdicts(report, metrics[0]),
        parts=[part for part in SLICES if table.users[part]],
        removes={each.name: (each.row or "", each.removes) for each in report.rows},
        changes=lambda metric, part: _changes(report, metric, part),
        kind=_kind,
        number=number,
    )


def _changes(report: AblationReport, metric: str, part: str) -> tuple[list[Row], Scale]:
    """A dot and its interval for every row, on one scale around zero."""
    changes = {
        each.name: change
        for each in report.rows
        if (change := report.change(each.name, metric, part)) is not None
    }
    # Measures are shares, so no change passes one.
    reach = min(1.0, max(map(abs, ends(changes.values())), default=0.0)) or 1.0
    rows = [
        Row(name, change, number(change.value, signed=True), _kind(change))
        for name, change in changes.items()
    ]
    return rows, Scale(-reach, reach, 2, 98)


def _kind(change: Contrast) -> str:
    if not change.sure:
        return ""
    return "loss" if change.value < 0 else "gain"
