"""A learning curve as a picture that opens anywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from colisten.pages import Page
from colisten.reports.charts import BOTTOM, LEFT, RIGHT, TOP, Plane, Point, Scale, Series
from colisten.reports.render import render

# What is measured in one unit shares a figure, by a part of its name; what has none is a loss.
_UNITS = {
    "tried_": "mrr of what was tried",
    "mrr": "mrr",
    "hit_rate": "hit rate",
    "knn": "knn",
    "echo": "echo",
    **dict.fromkeys(("taste_share_", "floor_", "transfer_", "member_"), "weights of a score"),
}
_SHARES = ("mrr", "hit rate", "mrr of what was tried")
# Counts, and errors of what was tried, are for choices.json.
_ASIDE = re.compile(r"users_.*|tried_.*_error")
_HUES = ("own", "hue1", "hue2", "hue3", "hue4", "bar")


def curve_html(curve: Sequence[Mapping[str, float]], *, title: str, x: str = "step") -> Page:
    """One self-contained page with a line per measured name, a figure per unit.

    Args:
        curve: Points; each has `x` and any of the other names. Points of a name may be sparse.
        title: Heading of the page.
        x: Name of the horizontal axis.
    """
    figures: dict[str, dict[str, list[tuple[float, float]]]] = {}
    names = {name for point in curve for name in point if name != x}
    for name in sorted(name for name in names if not _ASIDE.fullmatch(name)):
        unit = next((unit for part, unit in _UNITS.items() if part in name), "loss")
        points = [(float(point[x]), float(point[name])) for point in curve if name in point]
        figures.setdefault(unit, {})[name] = points
    planes = {unit: _plane(lines, x, shares=unit in _SHARES) for unit, lines in figures.items()}
    return render("curve", title, planes=planes)


def _plane(lines: Mapping[str, Sequence[tuple[float, float]]], x: str, *, shares: bool) -> Plane:
    points = [point for line in lines.values() for point in line]
    across = _between([point[0] for point in points], LEFT, RIGHT)
    upwards = _between([point[1] for point in points], BOTTOM, TOP, shares=shares)
    series = [
        Series(
            name,
            _HUES[at % len(_HUES)],
            [
                Point(across(one), upwards(other), f"{name}: {other:.4g} at {x} {one:g}")
                for one, other in line
            ],
            joined=True,
        )
        for at, (name, line) in enumerate(lines.items())
    ]
    return Plane(f"{x} →", "", across.ticks(), upwards.ticks(), series)


def _between(numbers: Sequence[float], begin: float, end: float, *, shares: bool = False) -> Scale:
    low, high = min(numbers), max(numbers)
    if high - low <= 1e-12 * max(1.0, abs(low)):
        low, high = (0.0, 1.0) if shares else (low, low + 1.0)
    return Scale(low, high, begin, end)
