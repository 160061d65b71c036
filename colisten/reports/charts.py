"""The still pictures of the page, as SVG: reliability and importance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from colisten.explain.calibration import Calibration
from colisten.explain.estimate import Estimate
from colisten.reports.page import escape

_SIZE, _LEFT, _FOOT, _TOP = 340, 52, 34, 10
_WIDTH, _LABEL, _ROW, _VALUE = 520, 190, 24, 56


def reliability(found: Calibration, title: str) -> str:
    """Observed share against predicted probability of each bin, both logarithmic.

    A bin in which nothing was streamed is drawn at the lower edge.
    """
    shares = [one.predicted for one in found.bins]
    for one in found.bins:
        shares += [
            share for share in (one.observed.value, one.observed.low, one.observed.high) if share
        ]
    low = math.floor(math.log10(min(shares)) * 2) / 2
    high = math.ceil(math.log10(max(shares)) * 2) / 2
    span = max(high - low, 0.5)

    def across(share: float) -> float:
        return _LEFT + (math.log10(share) - low) / span * (_SIZE - _LEFT - 8)

    def up(share: float | None) -> float:
        place = low if not share else max(low, math.log10(share))
        return _SIZE - _FOOT - (place - low) / span * (_SIZE - _FOOT - _TOP)

    parts = [f"<svg viewBox='0 0 {_SIZE} {_SIZE}' role='img' aria-label='{escape(title)}'>"]
    for power in range(math.ceil(low), math.floor(high) + 1):
        at = 10.0**power
        name = f"{at * 100:g}%"
        parts.append(
            f"<path class='grid' d='M{across(at):.1f},{_TOP} V{_SIZE - _FOOT} "
            f"M{_LEFT},{up(at):.1f} H{_SIZE - 8}'/>"
            f"<text x='{across(at):.1f}' y='{_SIZE - _FOOT + 14}' text-anchor='middle'>{name}"
            "</text>"
            f"<text x='{_LEFT - 4}' y='{up(at) + 4:.1f}' text-anchor='end'>{name}</text>"
        )
    ends = (10.0**low, 10.0 ** (low + span))
    parts.append(
        f"<path class='true' d='M{across(ends[0]):.1f},{up(ends[0]):.1f} "
        f"L{across(ends[1]):.1f},{up(ends[1]):.1f}'/>"
    )
    for one in found.bins:
        x = across(one.predicted)
        parts.append(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{up(one.observed.low):.1f}' "
            f"y2='{up(one.observed.high):.1f}'/>"
            f"<circle cx='{x:.1f}' cy='{up(one.observed.value):.1f}' r='4'>"
            f"<title>predicted {one.predicted:.3%}, observed {one.observed.value or 0:.3%}: "
            f"{one.streamed:,} streamed, {one.expected:,.1f} expected</title></circle>"
        )
    parts.append(
        f"<text x='{(_LEFT + _SIZE) / 2:.0f}' y='{_SIZE - 4}' text-anchor='middle'>predicted</text>"
        f"<text x='12' y='{_SIZE / 2:.0f}' text-anchor='middle' "
        f"transform='rotate(-90 12 {_SIZE / 2:.0f})'>observed</text></svg>"
    )
    return "".join(parts)


def bars(rows: Sequence[tuple[str, Estimate]], title: str, digits: str = "+.3f") -> str:
    """Horizontal bars from zero with whiskers, one scale for all; losses below zero go left."""
    ends = [
        end
        for _, one in rows
        for end in (one.value, one.low, one.high)
        if end is not None and math.isfinite(end)
    ]
    left, right = min([0.0, *ends]), max([0.0, *ends])
    scale = (_WIDTH - _LABEL - _VALUE) / ((right - left) or 1.0)

    def place(value: float) -> float:
        return _LABEL + (value - left) * scale

    height = _ROW * len(rows)
    parts = [f"<svg viewBox='0 0 {_WIDTH} {height}' role='img' aria-label='{escape(title)}'>"]
    for at, (name, one) in enumerate(rows):
        middle, value = _ROW * at + _ROW / 2, one.value or 0.0
        start, end = sorted((place(0.0), place(value)))
        parts.append(
            f"<text class='label' x='{_LABEL - 8}' y='{middle + 4:.0f}' text-anchor='end'>"
            f"{escape(name)}</text>"
            f"<rect x='{start:.1f}' y='{middle - 7:.0f}' width='{end - start:.1f}' height='14'/>"
            f"<text x='{_WIDTH - 2}' y='{middle + 4:.0f}' text-anchor='end'>{value:{digits}}</text>"
        )
        if one.low is not None and one.high is not None:
            parts.append(
                f"<line x1='{place(one.low):.1f}' x2='{place(one.high):.1f}' "
                f"y1='{middle:.0f}' y2='{middle:.0f}'/>"
            )
    zero = place(0.0)
    parts.append(f"<path class='zero' d='M{zero:.1f},0 V{height}'/></svg>")
    return "".join(parts)
