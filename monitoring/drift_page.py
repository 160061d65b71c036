"""The page of drift: the paragraph first, then causes, figures and all that was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

from colisten.monitoring.check import Kind
from colisten.monitoring.profile import ColumnProfile, WindowProfile
from colisten.pages import Page
from colisten.reports.charts import Plane, Point, Row, Scale, Series
from colisten.reports.render import render

if TYPE_CHECKING:
    from colisten.monitoring.drift import DriftReport

_MOST_FIGURES = 12
_VOLUMES = ("users", "events")
_GROUPS: dict[Kind, str] = {
    "column": "columns that are gone",
    "nulls": "missing values, share",
    "text_vectors": "text vectors",
    "stale": "days behind the window's end",
    "users_gone": "registered users by country",
    "volume": "users and events",
    "categories": "categories that came or went, share",
    "skew": "serving beside training, share of users who differ",
    "release": "the release beside the one before it, same users",
    "taste": "what is listened to, distance",
    "mix": "who the users are and how much they do, distance",
    "vectors": "vectors and scores under the release, distance",
}
_LIMITS = {"windows": "earlier windows", "fixed": "fixed", "not": "too little to judge"}


@dataclass(frozen=True)
class _Range:
    value: float | None
    low: float | None
    high: float | None


def drift_page(
    title: str, report: DriftReport, earlier: Sequence[WindowProfile], now: WindowProfile
) -> Page:
    """A whole page that needs no network and no script."""
    shown = [one for one in report.checks if one.kind in ("taste", "mix", "vectors") and one.moved]
    figures = [
        _figure(one.of, now.columns[one.of], [each.columns.get(one.of) for each in earlier])
        for one in shown[:_MOST_FIGURES]
    ]
    return render(
        "drift",
        title,
        report=report,
        groups=[
            (_GROUPS[kind], checks)
            for kind in get_args(Kind)
            if (checks := [one for one in report.checks if one.kind == kind])
        ],
        limits=_LIMITS,
        number=_number,
        windows=[*earlier, now],
        figures=figures,
        volumes=[_volume(name, [*earlier, now]) for name in _VOLUMES] if earlier else [],
    )


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _figure(name: str, now: ColumnProfile, before: Sequence[ColumnProfile | None]) -> Any:
    """A bar for each bin: this window's share, and the span of earlier ones."""
    known = [one for one in before if one is not None and one.bins == now.bins and one.values]
    rows = []
    for at, label in enumerate(_labels(now)):
        spans = [one.counts[at] / one.values for one in known]
        share = now.counts[at] / now.values if now.values else 0.0
        span = _Range(share, min(spans, default=None), max(spans, default=None))
        if share or any(spans):
            rows.append(Row(label, span, f"{100 * share:.1f} %"))
    ends = [end for row in rows for end in (row.one.value, row.one.high) if end is not None]
    return {"caption": name, "rows": rows[:20], "scale": Scale.over(ends), "note": "share of users"}


def _labels(column: ColumnProfile) -> list[str]:
    if column.bins.edges is None:
        return [*(column.bins.categories or ()), "others"]
    edges = [f"{edge:.4g}" for edge in column.bins.edges]
    if not edges:
        return ["all"]
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [f"below {edges[0]}", *between, f"from {edges[-1]}"]


def _volume(name: str, windows: Sequence[WindowProfile]) -> tuple[str, Plane]:
    """A count from window to window; the last one is this window."""
    counts = [float(one.volume.get(name, one.rows)) for one in windows]
    x, y = Scale(1, len(windows), 14, 96), Scale.over(counts, 84, 9)
    points = [
        Point(x(at), y(count), f"{one.since:%Y-%m-%d}: {count:,.0f}")
        for at, (one, count) in enumerate(zip(windows, counts, strict=True), start=1)
    ]
    lines = [Series("", "bar", points, joined=True), Series("", "own", points[-1:])]
    return name, Plane("windows", name, [], y.ticks(), lines)
