"""Drift of one window against earlier ones: judged from profiles, written as figures and a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from colisten.data.moments import parse_moment
from colisten.errors import ColistenError, ConfigError, ReportError
from colisten.json_files import read_mapping, write_json
from colisten.monitoring.check import Check
from colisten.monitoring.checks import MIN_ROWS, table_checks
from colisten.monitoring.diagnosis import (
    Cause,
    Verdict,
    causes_of,
    judged_by,
    paragraph,
    verdict_of,
)
from colisten.monitoring.drift_page import drift_page
from colisten.monitoring.profile import WindowProfile, profile_columns
from colisten.monitoring.spread import spreads
from colisten.pages import write_page

FORMAT = 2
_SHAPES = ("taste", "mix", "vectors")


@dataclass(frozen=True)
class DriftReport:
    """What moved.

    Attributes:
        html: The page, self-contained; its figures lie beside it as JSON.
        verdict: Whether anything did.
        summary: Name, dates, release, what moved, since when, why, what to do: one paragraph.
        checks: All that was looked at.
        causes: Of what moved, the likeliest first.
        users: Of the window.
        columns: Column -> distance from the earlier windows.
        drifted: Columns whose distance passed its limit.
        left_out: Columns that could not be compared.
    """

    html: Path
    verdict: Verdict
    summary: str
    checks: tuple[Check, ...]
    causes: tuple[Cause, ...]
    users: int
    columns: dict[str, float]
    drifted: tuple[str, ...]
    left_out: tuple[str, ...]


def write_drift(
    earlier: Sequence[WindowProfile],
    now: WindowProfile,
    out: Path,
    *,
    name: str = "Drift",
    further: Iterable[Check] = (),
    release_before: str | None = None,
) -> DriftReport:
    """Judge a window and write `out` (HTML) and its JSON beside it.

    Args:
        earlier: Profiles of earlier windows, one after the other, the latest last.
        now: The window's own.
        out: HTML file. The figures that lie beside it from an earlier report say since when
            something has been so.
        name: What the page calls itself.
        further: Checks beside those of `table_checks`.
        release_before: The release that was live before the window's own.
    """
    checks = (*further, *table_checks(earlier, now))
    checks = _since(checks, now, _figures_before(out))
    causes = causes_of(checks)
    enough = sum(one.rows >= MIN_ROWS for one in earlier)
    shapes = [one for one in checks if one.kind in _SHAPES]
    report = DriftReport(
        out,
        verdict_of(checks),
        f"{_opening(name, earlier, now, release_before)} {paragraph(checks, causes, enough)}",
        checks,
        causes,
        now.rows,
        {one.of: one.value for one in shapes if one.value is not None},
        tuple(one.of for one in shapes if one.moved),
        tuple(one.of for one in shapes if one.value is None),
    )
    write_page(out, drift_page(name, report, earlier, now))
    write_json(
        out.with_suffix(".json"), _figures(report, earlier, now, name, release_before, enough)
    )
    return report


def drift_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    out: Path,
    *,
    until: datetime | None = None,
    days: float = 14,
) -> DriftReport:
    """`write_drift` of two frames of any columns, the earlier of which is all that is known.

    Args:
        reference: Rows of the earlier window; numbers and categories as columns.
        current: Rows of the later window. Columns may come and go.
        out: HTML file.
        until: End of the later window; None: now.
        days: Length of each.

    Raises:
        ReportError: Neither window has a row, or two columns have one name.
    """
    if not len(reference) and not len(current):
        raise ReportError("Neither window has any rows.", "Choose windows with events.")
    end = datetime.now(UTC) if until is None else until
    before = profile_columns(reference)
    now = profile_columns(current, {name: one.bins for name, one in before.items()})
    profiles = [
        WindowProfile(
            since=since,
            until=since + timedelta(days=days),
            rows=len(frame),
            columns=columns,
            volume={"users": len(frame)},
        )
        for since, frame, columns in (
            (end - timedelta(days=2 * days), reference, before),
            (end - timedelta(days=days), current, now),
        )
    ]
    return write_drift(profiles[:1], profiles[1], out)


def moved_names(checks: Iterable[Check]) -> tuple[str, ...]:
    """What a profile keeps of how its window was judged."""
    return tuple(sorted(one.name for one in checks if one.moved))


def _since(
    checks: Sequence[Check], now: WindowProfile, before: Mapping[str, Any]
) -> tuple[Check, ...]:
    """Checks that moved with when that began: in an earlier report, or with this window."""
    known = {}
    for one in before.get("checks", []):
        if one.get("moved") and one.get("since"):
            with suppress(ConfigError):
                known[f"{one['kind']}:{one['of']}"] = parse_moment(one["since"], "since")
    return tuple(
        replace(one, since=min(known.get(one.name, now.since), now.since)) if one.moved else one
        for one in checks
    )


def _figures_before(out: Path) -> Mapping[str, Any]:
    """The figures of the report that lies there; none where there is none of this format."""
    try:
        figures = read_mapping(out.with_suffix(".json"))
    except (OSError, ColistenError):
        return {}
    return figures if figures.get("format") == FORMAT else {}


def _opening(
    name: str, earlier: Sequence[WindowProfile], now: WindowProfile, release_before: str | None
) -> str:
    against = "no earlier window"
    if earlier:
        many = "the window" if len(earlier) == 1 else f"{len(earlier)} windows"
        against = f"{many} from {_span(earlier[0].since, earlier[-1].until)}"
    release = f"release {now.release}" if now.release else "no release"
    if release_before:
        release += f" (before it {release_before})"
    return f"{name} of {_span(now.since, now.until)} against {against}, {release}."


def _span(since: datetime, until: datetime) -> str:
    return f"{since:%Y-%m-%d} to {until:%Y-%m-%d}"


def _figures(
    report: DriftReport,
    earlier: Sequence[WindowProfile],
    now: WindowProfile,
    name: str,
    release_before: str | None,
    enough: int,
) -> dict[str, Any]:
    """`drift.json`, as docs/monitoring.md says it."""
    return {
        "format": FORMAT,
        "name": name,
        "verdict": report.verdict,
        "summary": report.summary,
        "causes": [asdict(one) for one in report.causes],
        "release": now.release,
        "release_before": release_before,
        "since": now.since.isoformat(),
        "until": now.until.isoformat(),
        "users": now.rows,
        "earlier": [
            {
                "since": one.since.isoformat(),
                "until": one.until.isoformat(),
                "users": one.rows,
                "rebuilt": one.rebuilt,
            }
            for one in earlier
        ],
        "judged_by": {"windows": enough, "says": judged_by(enough)},
        "checks": [asdict(one) for one in report.checks],
        "release_change": now.release_change,
        "spread": spreads(now),
        "columns": report.columns,
        "drifted": report.drifted,
        "left_out": report.left_out,
    }
