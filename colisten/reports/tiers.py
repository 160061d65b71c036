"""A measure over popularity tiers and new items: where in the catalogue a model is good."""

from __future__ import annotations

from collections.abc import Iterator

from colisten.evaluation.comparison import Measure
from colisten.evaluation.rankers import CHANCE
from colisten.evaluation.slices import NEW_ITEMS, TIERS
from colisten.evaluation.table import EvaluationTable
from colisten.reports.axis import Axis, label
from colisten.reports.bars import shortened
from colisten.reports.page import escape
from colisten.reports.verdict import number

RIVALS = 4
_WIDTH, _HEIGHT = 720, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 540, 14, 280
_LINE = 18
_LABEL_CHARS = 23


def tier_names(table: EvaluationTable) -> list[str]:
    """The tiers that were measured, most streamed first, new items last."""
    measured = {row.slice for row in table.finer}
    names = [f"tier {tier}" for tier in range(1, TIERS + 1)]
    return [name for name in [*names, NEW_ITEMS] if name in measured]


def shown_models(table: EvaluationTable) -> list[str]:
    """The subject, its strongest rivals on all users, and chance where it was measured."""
    hits = table.metrics[0]
    others = [model for model in table.models if model not in (table.subject, CHANCE)]
    others.sort(key=lambda model: -(table.value(model, hits) or 0.0))
    chance = [CHANCE] if CHANCE in table.models and table.subject != CHANCE else []
    return [table.subject, *others[:RIVALS], *chance]


def tier_lines(table: EvaluationTable, metric: str) -> str:
    """A line a model over the tiers, whiskers at every tier."""
    parts, models = tier_names(table), shown_models(table)
    measures = {(row.model, row.slice): row.metrics[metric] for row in table.finer}
    lines = {model: [measures[model, part] for part in parts] for model in models}
    largest = max(max(one.value or 0.0, one.high or 0.0) for line in lines.values() for one in line)
    upwards = Axis.upto(largest, _BOTTOM, _TOP)
    room = (_RIGHT - _LEFT) / len(parts)
    title = f"{metric} by popularity tier"
    drawn = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">']
    drawn += _grid(upwards)
    users = {row.slice: row.users for row in table.finer}
    for at, part in enumerate(parts):
        x = _LEFT + room * (at + 0.5)
        drawn.append(
            f'<text text-anchor="middle" x="{x:.1f}" y="{_BOTTOM + 18}">{escape(part)}</text>'
        )
        drawn.append(
            f'<text class="value" text-anchor="middle" x="{x:.1f}" y="{_BOTTOM + 34}">'
            f"{users[part]:,} users</text>"
        )
    # The subject is drawn last, on top of the others.
    for at, model in reversed(list(enumerate(models))):
        # Points of one tier stand side by side, so that whiskers do not hide each other.
        shift = (at - (len(models) - 1) / 2) * min(9.0, room / (len(models) + 1))
        places = [_LEFT + room * (place + 0.5) + shift for place in range(len(parts))]
        kind = _kind(model, at)
        drawn.append(_line(model, lines[model], places, upwards, kind))
        y = _TOP + 12 + _LINE * at
        name = escape(shortened(model, _LABEL_CHARS))
        drawn.append(
            f'<circle class="{kind}" cx="{_RIGHT + 14}" cy="{y - 4}" r="4"/>'
            f'<text x="{_RIGHT + 24}" y="{y}">{name}<title>{escape(model)}</title></text>'
        )
    return "".join(drawn) + "</svg>"


def _grid(upwards: Axis) -> Iterator[str]:
    for tick in upwards.ticks():
        y = upwards.at(tick)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="value" text-anchor="end" x="{_LEFT - 7}" y="{y + 4:.1f}">'
        yield f"{label(tick)}</text>"


def _kind(model: str, at: int) -> str:
    if model == CHANCE:
        return "chance"
    return "own" if not at else f"hue{at}"


def _line(
    model: str, measures: list[Measure], places: list[float], upwards: Axis, kind: str
) -> str:
    known = [(x, one) for x, one in zip(places, measures, strict=True) if one.value is not None]
    path = " ".join(f"{x:.1f},{upwards.at(one.value or 0.0):.1f}" for x, one in known)
    parts = [f'<polyline class="{kind}" points="{path}"/>']
    for x, one in known:
        if one.low is not None and one.high is not None:
            parts.append(
                f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{upwards.at(one.low):.1f}" y2="{upwards.at(one.high):.1f}"/>'
            )
        parts.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{upwards.at(one.value or 0.0):.1f}" r="3.5">'
            f"<title>{escape(model)}: {number(one.value)}</title></circle>"
        )
    return "".join(parts)
