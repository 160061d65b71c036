"""Lows and highs of a window's columns, read off the sketches of its profile."""

from __future__ import annotations

from colisten.extras import needs

needs("datasketches")

import base64

from datasketches import kll_doubles_sketch

from colisten.monitoring.profile import WindowProfile

QUANTILES = {"p05": 0.05, "median": 0.5, "p95": 0.95}
"""Between the lowest and the highest value, which are exact; these are to the sketch's accuracy."""


def spreads(profile: WindowProfile) -> dict[str, dict[str, float]]:
    """By column of numbers with a sketch: low, quantiles, high; by every column `missing`.

    Args:
        profile: Of a window; a column without a value has its missing share alone.
    """
    found: dict[str, dict[str, float]] = {}
    for name, column in profile.columns.items():
        found[name] = {"missing": column.missing_share}
        if column.sketch is None or not column.values:
            continue
        sketch = kll_doubles_sketch.deserialize(base64.b64decode(column.sketch))
        found[name] |= {
            "low": float(sketch.get_min_value()),
            **{said: float(sketch.get_quantile(rank)) for said, rank in QUANTILES.items()},
            "high": float(sketch.get_max_value()),
        }
    return found
