"""The A/B report: metrics per arm and their lifts (paper section 5), by Evidently."""

from __future__ import annotations

from colisten.extras import needs

needs("evidently")

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from evidently import DataDefinition, Dataset, Report
from evidently._pydantic_compat import PrivateAttr
from evidently.core.container import MetricContainer
from evidently.core.metric_types import Metric, MetricId
from evidently.core.report import Context
from evidently.legacy.model.widget import BaseWidgetInfo

from colisten.experiments.comparison import compare_arms
from colisten.experiments.design import ExperimentDesign
from colisten.experiments.log_rows import LogRows
from colisten.experiments.reading import Comparison
from colisten.json_files import write_json
from colisten.monitoring.arms import FIGURES, ArmFigure, figures_frame
from colisten.monitoring.effects import effect_widgets
from colisten.monitoring.health import design_widget, health_widgets, rows_widgets
from colisten.monitoring.page import report_page
from colisten.pages import write_page


class ExperimentSummary(MetricContainer):
    """All arms of one experiment: the reading first, then each of its figures."""

    figures: list[tuple[str, str]]
    # Evidently makes a digest of fields, which it cannot of all that a reading holds.
    _comparison: Comparison = PrivateAttr()

    def __init__(self, comparison: Comparison) -> None:
        figures = [
            (arm.name, name)
            for arm in comparison.arms
            for name, figure in arm.values.items()
            if figure is not None
        ]
        super().__init__(figures=figures)
        self._comparison = comparison

    def generate_metrics(self, context: Context) -> Sequence[Metric]:
        """One `ArmFigure` per arm and metric that is defined."""
        return [ArmFigure(metric=metric, arm=arm) for arm, metric in self.figures]

    def render(
        self,
        context: Context,
        child_widgets: list[tuple[MetricId | None, list[BaseWidgetInfo]]] | None = None,
    ) -> list[BaseWidgetInfo]:
        """Health, design and rows, what was found, then the counters of the metrics."""
        comparison = self._comparison
        own = health_widgets(comparison)
        if comparison.design is not None:
            own.append(design_widget(comparison.design))
        if comparison.rows is not None:
            own += rows_widgets(comparison.rows)
        own += effect_widgets(comparison)
        return own + [widget for _, widgets in child_widgets or [] for widget in widgets]


def experiment_report(
    outcomes: pa.Table,
    out: Path,
    *,
    control: str,
    shares: Mapping[str, float],
    confidence: float = 0.95,
    design: ExperimentDesign | None = None,
    rows: LogRows | None = None,
) -> Comparison:
    """Write the report of an experiment at `out` (HTML) and its JSON beside it.

    Args:
        outcomes: One row per exposed user, from `colisten.experiments.outcomes`.
        out: HTML file.
        control: Arm that the others are compared with.
        shares: Planned share of users per arm.
        confidence: Mass of the intervals.
        design: What was decided beforehand.
        rows: What the rows of the files look like.

    Raises:
        ConfigError, ReportError: As `compare_arms`.
    """
    comparison = replace(
        compare_arms(
            outcomes,
            control=control,
            shares=shares,
            confidence=confidence,
            design=design,
            until=None if rows is None else rows.last_moment,
        ),
        rows=rows,
    )
    dataset = Dataset.from_pandas(
        figures_frame(comparison),
        data_definition=DataDefinition(
            numerical_columns=list(FIGURES), categorical_columns=["arm", "metric"]
        ),
    )
    snapshot = Report([ExperimentSummary(comparison)]).run(dataset, None)
    write_page(out, report_page(snapshot, "Experiment"))
    write_json(out.with_suffix(".json"), comparison.to_dict())
    return comparison
