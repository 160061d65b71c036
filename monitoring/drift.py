"""Drift between two windows, read by Evidently: features, user vectors and scores."""

from __future__ import annotations

from colisten.extras import needs

needs("evidently")

import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset, DataSummaryPreset

from colisten.json_files import write_json
from colisten.monitoring.page import report_page
from colisten.monitoring.windows import comparable
from colisten.pages import write_page


@dataclass(frozen=True)
class DriftReport:
    """What moved.

    Attributes:
        html: The page, self-contained.
        columns: Column -> drift score by Evidently's own choice of test.
        drifted: Columns past their test's threshold.
        left_out: Columns without a value in one of the windows; they cannot be compared.
    """

    html: Path
    columns: dict[str, float]
    drifted: tuple[str, ...]
    left_out: tuple[str, ...]


def drift_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    out: Path,
    *,
    seed: int = 0,
    until: datetime | None = None,
) -> DriftReport:
    """Compare two windows column by column and write `out` (HTML) and its JSON beside it.

    Values are compared as `colisten.monitoring.windows.comparable` makes them numbers and texts.

    Args:
        reference: Users of the earlier window; numbers and categories as columns.
        current: Users of the later window, the same columns in any order.
        out: HTML file.
        seed: Of the sample drawn where a window has more than `MAX_ROWS` rows.
        until: End of the later window, for whoever asks how old the report is.

    Raises:
        ReportError: As `comparable`.
    """
    earlier, later, empty = comparable(reference, current, seed=seed)
    numbers = [name for name in earlier if earlier[name].dtype.kind == "f"]
    definition = DataDefinition(
        numerical_columns=numbers,
        categorical_columns=[name for name in earlier if name not in numbers],
    )
    then, now = (
        Dataset.from_pandas(frame, data_definition=definition) for frame in (earlier, later)
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Constant columns make Evidently divide by a zero spread; their drift is then zero.
        warnings.simplefilter("ignore")
        snapshot = Report([DataDriftPreset(), DataSummaryPreset()]).run(now, then)
        write_page(out, report_page(snapshot, "Drift"))
    columns, drifted = _drifts(snapshot.dict())
    report = DriftReport(out, columns, drifted, empty)
    figures = {
        "until": None if until is None else until.isoformat(),
        "columns": columns,
        "drifted": drifted,
        "left_out": empty,
    }
    write_json(out.with_suffix(".json"), figures)
    return report


def _drifts(snapshot: dict[str, Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    columns: dict[str, float] = {}
    drifted: list[str] = []
    for metric in snapshot["metrics"]:
        config = metric["config"]
        if not config["type"].endswith("ValueDrift"):
            continue
        name, value = config["column"], float(metric["value"])
        columns[name] = value
        # Tests by p-value drift when small; tests by distance when large.
        small = "p_value" in config["method"] or "p-value" in config["method"]
        if value < config["threshold"] if small else value >= config["threshold"]:
            drifted.append(name)
    return columns, tuple(drifted)
