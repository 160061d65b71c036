"""Step: check the input tables and split them at the cut."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from colisten.settings.engine import Engine
from colisten.steps.artifacts.reports import Metrics
from colisten.steps.artifacts.tables import Events, History
from colisten.steps.settings import Columns


class Checked(NamedTuple):
    """Events before the cut, and those of the window after it."""

    history: History
    holdout: Events
    metrics: Metrics


def check_tables(
    source: Path,
    source_digest: str,
    cut: datetime,
    window_days: int,
    *,
    data: Columns,
    engine: Engine,
    out: Path,
) -> Checked:
    """Check tables; events before the cut become `history`, the window after it `holdout`.

    Args:
        source: Folder of contract tables, each a file or a folder of parts.
        source_digest: Digest of those tables; part of the cache key.
        cut: UTC moment.
        window_days: Days of `holdout`.

    Raises:
        TableError: The tables break the contract, or leave nothing to learn from.
    """
    import shutil

    from colisten.data.gather import gathered
    from colisten.data.prepare import check_cut, prepare_tables

    both = out / "tables"
    with gathered(source) as tables:
        summary = prepare_tables(
            tables, both, cut=cut, window_days=window_days, data=data, engine=engine
        )
        # A cut that leaves the towers nothing to learn from ends here, before anything is trained.
        check_cut(tables, cut=cut, window_days=window_days, data=data, engine=engine)
    for name in ("history", "holdout"):
        shutil.move(both / name, out / name)
    both.rmdir()
    return Checked(
        History(out / "history"),
        Events(out / "holdout"),
        Metrics({f"{name}_rows": float(rows) for name, rows in summary.rows.items()}),
    )
