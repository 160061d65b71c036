"""Step: what a run needs to know of its tables before anything else: their digest and its cuts."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from colisten.steps.artifacts.text import Text
from colisten.steps.settings import TypesAndSignals

# What a scheduler that knows no macros hands on as it stands (kubeflow/pipelines#12494).
_MACROS = ("[[ScheduledTime", "[[CurrentTime")


class Planned(NamedTuple):
    """What identifies the tables, and the moments, ISO 8601 in UTC."""

    source_digest: Text
    moment: Text
    backtest_cut: Text


def plan_run(
    source: Path,
    cut: str,
    scheduled: str,
    window_days: int,
    trained_until: str,
    *,
    data: TypesAndSignals,
) -> Planned:
    """Read the cut as a person or a scheduler wrote it, and find where the backtest is cut.

    Args:
        source: Folder of contract tables.
        cut: A date or a moment, without a zone UTC; 14 digits, as Kubeflow writes
            `[[ScheduledTime]]`. That macro itself, where nobody filled it in, means `scheduled`.
        scheduled: When the run was scheduled, by Kubeflow.
        window_days: Days after a cut that measure it.
        trained_until: Moment up to which a model that the run does not train has seen events;
            "" where it trains all of them. The backtest is cut no earlier.

    Raises:
        ConfigError: A moment is none.
        TableError: The tables cannot be read.
    """
    from colisten.data.backtest import backtest_cut
    from colisten.data.gather import gathered
    from colisten.data.moments import parse_moment
    from colisten.steps.workflow import Window

    written = scheduled if cut.startswith(_MACROS) else cut
    moment = parse_moment(written, "cut")
    with gathered(source) as tables:
        early = backtest_cut(tables, cut=moment, window_days=window_days, data=data)
        digest = Window(tables, moment, window_days).digest()
    if trained_until:
        # What that model has seen can measure nothing that is made of it.
        early = min(max(early, parse_moment(trained_until, "trained_until")), moment)
    return Planned(Text(digest), Text(moment.isoformat()), Text(early.isoformat()))
