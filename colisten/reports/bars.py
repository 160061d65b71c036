"""Bars with whiskers: one measure of all models, and a dot for every training seed."""

from __future__ import annotations

from collections.abc import Mapping

from colisten.evaluation.comparison import Measure
from colisten.reports.page import escape
from colisten.reports.verdict import number

_HEIGHT, _LABEL, _WIDTH = 24, 138, 420
_VALUE = 50
_LABEL_CHARS = 22


def bars(title: str, measures: Mapping[str, Measure], subject: str) -> str:
    """Horizontal bars on one scale, whiskers from the low to the high end of the interval."""
    largest = max(
        max(measure.high or 0.0, measure.value or 0.0, *measure.by_seed, 0.0)
        for measure in measures.values()
    )
    scale = (_WIDTH - _LABEL - _VALUE) / (largest or 1.0)
    height = _HEIGHT * len(measures)
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">']
    for at, (model, measure) in enumerate(measures.items()):
        middle = _HEIGHT * at + _HEIGHT / 2
        end = _LABEL + (measure.value or 0.0) * scale
        kind = "own" if model == subject else "bar"
        parts.append(
            f'<text x="0" y="{middle + 4:.1f}">{escape(shortened(model, _LABEL_CHARS))}'
            f"<title>{escape(model)}</title></text>"
            f'<rect class="{kind}" x="{_LABEL}" y="{middle - 7:.1f}" height="14" '
            f'width="{end - _LABEL:.1f}"/>'
        )
        parts += [
            f'<circle class="dot" cx="{_LABEL + value * scale:.1f}" cy="{middle:.1f}" r="3"/>'
            for value in measure.by_seed
        ]
        if measure.low is not None and measure.high is not None:
            low, high = _LABEL + measure.low * scale, _LABEL + measure.high * scale
            parts.append(
                f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
                + "".join(
                    f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{middle - 4:.1f}" y2="{middle + 4:.1f}"/>'
                    for x in (low, high)
                )
            )
        parts.append(
            f'<text class="value" text-anchor="end" x="{_WIDTH}" y="{middle + 4:.1f}">'
            f"{number(measure.value)}</text>"
        )
    return "".join(parts) + "</svg>"


def shortened(name: str, characters: int) -> str:
    """A name cut to so many characters, with an ellipsis where something is missing."""
    return name if len(name) <= characters else name[: characters - 1] + "…"
