"""Two windows as Evidently draws them, under our own paragraph and verdict.

Evidently's verdict on a whole data set ("Dataset Drift is NOT detected" while fewer than half of
the columns moved) and its own choice of tests are left out: they contradict figures that are judged
beside earlier windows.
"""

from __future__ import annotations

from colisten.extras import needs

needs("evidently")

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.core.report import Snapshot
from evidently.legacy.model.widget import BaseWidgetInfo
from evidently.legacy.renderers.html_widgets import header_text, table_data, text_widget
from evidently.presets import DataSummaryPreset

from colisten.monitoring.drift import DriftReport
from colisten.monitoring.page import report_page
from colisten.monitoring.windows import comparable
from colisten.pages import markdown_text, write_page

_LINES = 200


def evidently_page(
    reference: pd.DataFrame, current: pd.DataFrame, report: DriftReport, out: Path, *, seed: int = 0
) -> None:
    """Write Evidently's summary of both windows as a page of our own, our verdict above it.

    Args:
        reference: Rows of an earlier window.
        current: Rows of the window that was judged; columns of one of them alone are not drawn.
        report: How it was judged.
        out: HTML file.
        seed: Of the sample drawn where a window has more than `MAX_ROWS` rows.

    Raises:
        ReportError: As `comparable`.
    """
    snapshot = evidently_snapshot(reference, current, seed=seed)
    write_page(out, report_page(snapshot, "Drift", above=_verdict(report)))


def evidently_snapshot(
    reference: pd.DataFrame, current: pd.DataFrame, *, seed: int = 0
) -> Snapshot:
    """What Evidently measures of both windows, column by column; arguments as above."""
    both = [name for name in reference.columns if name in set(current.columns)]
    earlier, later, _ = comparable(reference[both], current[both], seed=seed)
    numbers = [name for name in earlier if earlier[name].dtype.kind == "f"]
    definition = DataDefinition(
        numerical_columns=numbers,
        categorical_columns=[name for name in earlier if name not in numbers],
    )
    then, now = (
        Dataset.from_pandas(frame, data_definition=definition) for frame in (earlier, later)
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Constant columns make Evidently divide by a zero spread.
        warnings.simplefilter("ignore")
        return Report([DataSummaryPreset()]).run(now, then)


def _verdict(report: DriftReport) -> list[BaseWidgetInfo]:
    """Our paragraph, and the checks that moved as one of Evidently's tables."""
    moved = [
        [one.kind, one.of, _number(one.value), _number(one.usual), one.says]
        for one in report.checks
        if one.moved
    ]
    widgets: list[BaseWidgetInfo] = [
        header_text(label="Drift"),
        text_widget(text=markdown_text(report.summary), title=""),
    ]
    if moved:
        names = ["cause", "of", "this window", "usual", "in words"]
        widgets.append(table_data(title="What moved", column_names=names, data=moved[:_LINES]))
    return widgets


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
