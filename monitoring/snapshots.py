"""A run of a report as Evidently's snapshot: its figures as metrics, alerts as tests."""

from __future__ import annotations

from colisten.extras import needs

needs("evidently")

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pandas as pd
from evidently import Dataset, Report
from evidently.core.container import MetricContainer
from evidently.core.metric_types import (
    Metric,
    MetricId,
    SingleValue,
    SingleValueCalculation,
    SingleValueMetric,
)
from evidently.core.report import Context
from evidently.core.serialization import SnapshotModel
from evidently.legacy.model.widget import BaseWidgetInfo
from evidently.legacy.renderers.html_widgets import WidgetSize, table_data, text_widget
from evidently.tests import eq

from colisten.monitoring.alerts import Alert
from colisten.monitoring.figures import flat
from colisten.monitoring.harmless import harmless, harmless_names
from colisten.monitoring.runs import ReportRun

MOST_FIGURES = 2_000
"""Of one run; a report of more is shown by those that come first."""

ALERTS = "alerts"
"""The figure that says of every rule whether it fires."""

WHOLE = "whole report"
"""What a figure is called that stands alone."""


class ReportFigure(SingleValueMetric):
    """One number of a report: `of` what it is, and which `figure` of that."""

    figure: str
    of: str

    def _default_tests(self, context: Context) -> list[object]:
        return []


class ReportFigureCalculation(SingleValueCalculation[ReportFigure]):
    """Finds a `ReportFigure` in a table of one row a figure."""

    def calculate(
        self, context: Context, current_data: object, reference_data: object
    ) -> SingleValue:
        """The number; the report shows all of them as tables."""
        frame = current_data.as_dataframe()  # type: ignore[attr-defined]
        own = (frame["figure"] == self.metric.figure) & (frame["of"] == self.metric.of)
        result = self.result(float(frame.loc[own, "value"].iloc[0]))
        result.widget = []
        return result

    def display_name(self) -> str:
        """What the UI calls this figure."""
        return f"{self.metric.figure}: {self.metric.of}"


class RunSummary(MetricContainer):
    """A run of a report: what it says in words, then tables of all its figures."""

    said: str
    figures: list[tuple[str, str]]

    def generate_metrics(self, context: Context) -> Sequence[Metric]:
        """One `ReportFigure` a figure; of alerts each has a test that it does not fire."""
        return [
            ReportFigure(figure=figure, of=of, tests=[eq(0)] if figure == ALERTS else [])
            for figure, of in self.figures
        ]

    def render(
        self,
        context: Context,
        child_widgets: list[tuple[MetricId | None, list[BaseWidgetInfo]]] | None = None,
    ) -> list[BaseWidgetInfo]:
        """The words, and a table for the figures of one kind."""
        frame = context._input_data[0].as_dataframe()
        words = text_widget(title="", text=self.said)
        return [words, *(_table(figure, rows) for figure, rows in frame.groupby("figure"))]


def run_snapshot(run: ReportRun, alerts: Sequence[Alert]) -> SnapshotModel:
    """The snapshot of a run, without any data but its figures.

    Args:
        run: One whose figures were read.
        alerts: What became of the rules on it: Evidently's tests, which fail where one fires.
    """
    frame = pd.DataFrame(
        [*_named(run), *((ALERTS, of, value) for of, value in _fired(alerts))]
        or [("runs", WHOLE, 1.0)],
        columns=["figure", "of", "value"],
    )
    summary = RunSummary(
        said=harmless(said_of(run)),
        figures=list(frame[["figure", "of"]].itertuples(index=False, name=None)),
    )
    snapshot = Report([summary]).run(
        Dataset.from_pandas(frame),
        None,
        # As Evidently itself: a moment without a zone.
        timestamp=(run.moment or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None),
        name=harmless(run_name(run)),
        tags=[run.report],
        metadata={"report": run.report},
    )
    return snapshot.to_snapshot_model()


def run_name(run: ReportRun) -> str:
    """What a run is called in a list of them."""
    day = "" if run.moment is None else f" {run.moment:%Y-%m-%d}"
    release = (run.figures or {}).get("release_id") or (run.figures or {}).get("release")
    return f"{run.report}{day}{f', {release}' if isinstance(release, str) else ''}"


def said_of(run: ReportRun) -> str:
    """The report in its own words, as far as it has any."""
    figures = run.figures or {}
    for name in ("summary", "split_verdict"):
        if isinstance(figures.get(name), str):
            return f"{run_name(run)}. {figures[name]}"
    return f"{run_name(run)}."


def _named(run: ReportRun) -> Iterator[tuple[str, str, float]]:
    """Every figure: harmless names of what it is and whose, and its value."""
    paths = dict(list(flat(run.figures or {}).items())[:MOST_FIGURES])
    whole = {path: (".".join(path[:-1]) or path[-1], path[-1]) for path in paths}
    # Ours is the one name that no report may take.
    figures = harmless_names([ALERTS, *(figure for figure, _ in whole.values())])
    figures |= {ALERTS: f"{ALERTS} of the report"}
    members = harmless_names(of for _, of in whole.values())
    for path, (figure, of) in whole.items():
        yield figures[figure], members[of] if len(path) > 1 else WHOLE, paths[path]


def _fired(alerts: Sequence[Alert]) -> Iterator[tuple[str, float]]:
    names = harmless_names(alert.name for alert in alerts)
    for alert in alerts:
        yield names[alert.name], float(alert.fires)


def _table(figure: str, rows: pd.DataFrame) -> BaseWidgetInfo:
    data = [[of, f"{value:.6g}"] for of, value in zip(rows["of"], rows["value"], strict=True)]
    return table_data(title=figure, column_names=["of", "value"], data=data, size=WidgetSize.HALF)
