"""Evidently's workspace of a folder's reports: a project a report, a snapshot a run.

Made of the figures that every report leaves (`colisten.monitoring.runs`), so a report costs nothing
for it and its rows are in no snapshot. Files appear whole, a run twice never, and a run that is no
longer kept goes. Whatever is written is harmless (`colisten.monitoring.harmless`).
"""

from __future__ import annotations

from colisten.extras import needs

needs("evidently")

import uuid
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidently.legacy.utils import NumpyEncoder
from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric, ProjectModel
from evidently.sdk.panels import line_plot_panel, text_panel

from colisten.json_files import parse_json, write_json
from colisten.monitoring.alerts import judge
from colisten.monitoring.harmless import harmless, harmless_tree
from colisten.monitoring.runs import ReportRun, runs_of
from colisten.monitoring.snapshots import ReportFigure, run_snapshot, said_of
from colisten.settings.alerts import REPORTS, AlertRules, Report

WORKSPACE = "monitor/evidently"
"""In the folder of a run."""

TITLES: dict[Report, str] = {"drift": "Drift", "experiment": "Experiment", "gate": "Gate"}
MOST_PANELS, MOST_LINES = 24, 12
"""Of a project's first page; its reports have all figures."""

# Kinds of figures in the order in which they are drawn; what is not named comes after them.
_FIRST = ("alerts", "columns", "drifted", "causes", "users", "arms", "lifts", "spread")
_SPACE = uuid.UUID("8c0d3ad5-93a5-4d5c-9a55-1d8d7d0f6d5e")
_SNAPSHOTS = "snapshots"


@dataclass(frozen=True)
class Filled:
    """What a call of `fill_workspace` changed.

    Attributes:
        folder: The workspace, for `evidently ui --workspace` as well.
        added: Snapshots written.
        removed: Snapshots of runs that are no longer kept.
        unreadable: Runs left out since their figures cannot be read.
    """

    folder: Path
    added: int
    removed: int
    unreadable: int


def fill_workspace(home: Path, rules: AlertRules) -> Filled:
    """Bring the workspace of a folder up to date with its reports.

    Args:
        home: Folder of a run.
        rules: Each is a test of Evidently's, which fails where its alert fires.
    """
    folder = home / WORKSPACE
    added = removed = unreadable = 0
    for report in REPORTS:
        runs = runs_of(home, report)
        readable = [run for run in runs if run.figures is not None]
        unreadable += len(runs) - len(readable)
        new, gone = _fill_project(folder, report, readable, rules)
        added, removed = added + new, removed + gone
    return Filled(folder, added, removed, unreadable)


def project_id(report: Report) -> uuid.UUID:
    """Of the project that shows a report, in every workspace the same."""
    return uuid.uuid5(_SPACE, report)


def _fill_project(
    folder: Path, report: Report, runs: Sequence[ReportRun], rules: AlertRules
) -> tuple[int, int]:
    place = folder / str(project_id(report))
    there = {file.stem: file for file in (place / _SNAPSHOTS).glob("*.json")}
    if not runs and not there:
        return 0, 0
    wanted = {}
    for at, run in enumerate(runs):
        # A run as it was judged when it was the newest.
        alerts = [judge(rule, runs[at:]) for rule in rules.rules if rule.report == report]
        fired = [(alert.name, alert.fires) for alert in alerts]
        wanted[str(uuid.uuid5(_SPACE, f"{report} {run.digest} {fired}"))] = (run, alerts)
    fresh = [name for name in wanted if name not in there]
    for name in fresh:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            snapshot = run_snapshot(*wanted[name]).dict()
        _write(place / _SNAPSHOTS / f"{name}.json", snapshot)
    old = [file for name, file in there.items() if name not in wanted]
    for file in old:
        file.unlink(missing_ok=True)
    if fresh or old:
        newest = runs[0] if runs else None
        said = "No run is kept." if newest is None else said_of(newest)
        _write(place / "metadata.json", _project(report, said).dict())
        _write(place / "dashboard.json", _dashboard(place, said).dict())
    return len(fresh), len(old)


def _write(file: Path, model: dict[str, Any]) -> None:
    """Write what Evidently reads; here and nowhere else does something get into a workspace."""
    plain = parse_json(NumpyEncoder().encode(model), name=str(file))
    write_json(file, harmless_tree(plain), indent=None)


def _project(report: Report, said: str) -> ProjectModel:
    return ProjectModel(id=project_id(report), name=TITLES[report], description=harmless(said))


def _place(kind: str) -> tuple[int, str]:
    """Where a kind of figure stands: what people ask first, and single checks last."""
    first = kind.partition(".")[0]
    return (_FIRST.index(first) if first in _FIRST else len(_FIRST), kind)


def _dashboard(place: Path, said: str) -> DashboardModel:
    """Every kind of figure over the runs, the newest run's words above."""
    kinds: dict[str, set[str]] = {}
    for file in sorted((place / _SNAPSHOTS).glob("*.json")):
        results = parse_json(file.read_bytes(), name=str(file))["metric_results"]
        for result in results.values():
            named = result["metric_value_location"]["metric"]["params"]
            kinds.setdefault(named["figure"], set()).add(named["of"])
    panels = [text_panel(title="The latest report", description=harmless(said))]
    for kind in sorted(kinds, key=_place)[:MOST_PANELS]:
        lines = [
            PanelMetric(
                metric=ReportFigure.__name__, metric_labels={"figure": kind, "of": of}, legend=of
            )
            for of in sorted(kinds[kind])[:MOST_LINES]
        ]
        panels.append(line_plot_panel(title=kind, values=lines, size="half"))
    for number, panel in enumerate(panels):
        panel.id = uuid.uuid5(_SPACE, f"{place.name} panel {number}")
    tab = DashboardTabModel(
        id=uuid.uuid5(_SPACE, f"{place.name} tab"),
        title="Runs",
        panels=[panel.id for panel in panels],
    )
    return DashboardModel(tabs=[tab], panels=panels)
