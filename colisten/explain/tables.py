"""The checked tables that a release was learned from, found again in the folder of its run.

A release binds no events. The step that checks tables leaves them under `pipeline/runs/`, in a
folder for each run, and a run that was cached refers to an older one's; so the tables of a release
are those whose cut and items are the release's own, the latest of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.moments import parse_moment
from colisten.data.prepare import SUMMARY_FILE, TableSummary
from colisten.errors import ReportError, TableError

_HISTORIES = "pipeline/runs/*/check-tables/history"


@dataclass(frozen=True)
class RunTables:
    """Checked tables of one cut.

    Attributes:
        history: Folder of tables, events before the cut only.
        holdout: Folder of the window's events; it may be gone or hold none.
        cut: UTC moment between both.
    """

    history: Path
    holdout: Path
    cut: datetime

    @property
    def window_days(self) -> int:
        """Whole days from the cut that hold all events of the window; 0 where there are none."""
        file = self.holdout / "interactions.parquet"
        if not file.is_file():
            return 0
        last = pc.max(parquet.read(file, columns=["timestamp"]).column("timestamp")).as_py()
        if last is None or last < self.cut:
            return 0
        days: float = (last - self.cut + timedelta(microseconds=1)) / timedelta(days=1)
        return math.ceil(days)


def find_tables(
    out: Path, *, release_id: str, as_of: str, item_ids: Sequence[str] | np.ndarray
) -> tuple[RunTables, Catalogue]:
    """The tables a release was learned from, and its catalogue.

    Args:
        out: Folder of a finished `colisten run`.
        release_id: Name of the release, for the error.
        as_of: Its cut, ISO 8601 in UTC.
        item_ids: Its items, in order.

    Raises:
        ReportError: No run under `out` left tables with that cut and those items.
    """
    cut = parse_moment(as_of, "as_of")
    summaries = sorted(
        out.glob(f"{_HISTORIES}/{SUMMARY_FILE}"),
        key=lambda file: (file.stat().st_mtime, file.as_posix()),
        reverse=True,
    )
    for summary in summaries:
        history = summary.parent
        try:
            if parse_moment(TableSummary.read(history).cut, "cut") != cut:
                continue
            catalogue = Catalogue.read(history)
        except (TableError, ValueError):
            continue  # a killed run's leftovers
        if list(catalogue.item_ids) == list(item_ids):
            return RunTables(history, history.with_name("holdout"), cut), catalogue
    raise ReportError(
        f"No checked tables of release {release_id} (cut {as_of}) at {out / _HISTORIES}.",
        "A release on its own holds no events: give the folder that `colisten run` left, or run "
        "it again with the same cut.",
    )
