"""The A/B report: start rate and new-start rate per arm (paper section 5), by Evidently."""

from __future__ import annotations

from colisten.extras import needs

needs("evidently")

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from evidently import DataDefinition, Dataset, Report
from evidently.core.container import MetricContainer
from evidently.core.metric_types import Metric, MetricId
from evidently.core.report import Context
from evidently.legacy.model.widget import BaseWidgetInfo

from colisten.experiments.comparison import Comparison, compare_arms
from colisten.experiments.lifts import RATES
from colisten.experiments.log_rows import LogRows
from colisten.json_files import write_json
from colisten.monitoring.arms import ArmRate, lifts_widget, rates_widget, verdict_widget
from colisten.monitoring.page import report_page
from colisten.monitoring.split import rows_widgets, split_widgets
from colisten.pages import write_page


class ExperimentSummary(MetricContainer):
    """All arms of one experiment: the reading first, then the figures of each of `seen`."""

    control: str
    shares: dict[str, float]
    seen: list[str]
    confidence: float = 0.95
    rows: dict[str, Any] | None = None

    def generate_metrics(self, context: Context) -> Sequence[Metric]:
        """One `ArmRate` per arm that somebody saw, and rate."""
        return [
            ArmRate(column=rate, arm=arm, confidence=self.confidence)
            for arm in self.seen
            for rate in RATES
        ]

    def render(
        self,
        context: Context,
        child_widgets: list[tuple[MetricId | None, list[BaseWidgetInfo]]] | None = None,
    ) -> list[BaseWidgetInfo]:
        """The split, verdict, picture, table, then the counters of the metrics."""
        frame = context._input_data[0].as_dataframe()
        comparison = compare_arms(
            pa.Table.from_pandas(frame, preserve_index=False),
            control=self.control,
            shares=self.shares,
            confidence=self.confidence,
        )
        rows = None if self.rows is None else LogRows(**self.rows)
        own = [
            *split_widgets(comparison),
            *([] if rows is None else rows_widgets(rows)),
            verdict_widget(comparison),
            rates_widget(comparison),
            lifts_widget(comparison),
        ]
        return own + [widget for _, widgets in child_widgets or [] for widget in widgets]


def experiment_report(
    outcomes: pa.Table,
    out: Path,
    *,
    control: str,
    shares: Mapping[str, float],
    confidence: float = 0.95,
    rows: LogRows | None = None,
) -> Comparison:
    """Write the report of an experiment at `out` (HTML) and its JSON beside it.

    Args:
        outcomes: One row per exposed user, from `colisten.experiments.outcomes`.
        out: HTML file.
        control: Arm that the others are compared with.
        shares: Planned share of users per arm.
        confidence: Mass of the intervals.
        rows: What the rows of the files look like.

    Raises:
        ConfigError, ReportError: As `compare_arms`.
    """
    comparison = replace(
        compare_arms(outcomes, control=control, shares=shares, confidence=confidence), rows=rows
    )
    frame = outcomes.to_pandas()
    for rate, column in zip(RATES, ("streams", "new_starts"), strict=True):
        frame[rate] = (frame[column] > 0).astype(int)
    dataset = Dataset.from_pandas(
        pd.DataFrame(frame),
        data_definition=DataDefinition(
            numerical_columns=["streams", "new_starts", *RATES], categorical_columns=["variant"]
        ),
    )
    summary = ExperimentSummary(
        control=control,
        shares={arm.name: arm.share for arm in comparison.arms},
        seen=[arm.name for arm in comparison.arms if arm.users],
        confidence=comparison.confidence,
        rows=None if rows is None else asdict(rows),
    )
    snapshot = Report([summary]).run(dataset, None)
    write_page(out, report_page(snapshot, "Experiment"))
    write_json(out.with_suffix(".json"), comparison.to_dict())
    return comparison
