"""Accuracy against coverage, a point a model: up and to the right is better at both."""

from __future__ import annotations

from collections.abc import Iterator

from colisten.evaluation.comparison import Measure, Row
from colisten.evaluation.metrics import COVERAGE
from colisten.evaluation.table import EvaluationTable
from colisten.reports.axis import Axis, LogAxis, label
from colisten.reports.bars import shortened
from colisten.reports.page import escape
from colisten.reports.verdict import number

_WIDTH, _HEIGHT = 720, 410
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 700, 30, 362
_CHARACTER, _LINE = 6.4, 13
_LABEL_CHARS = 24

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


class _Labels:
    """Places names beside points so that none covers another name or a point."""

    def __init__(self, drawn: list[Box]) -> None:
        self.taken = list(drawn)

    def place(
        self, x: float, y: float, reach: tuple[float, float], name: str
    ) -> tuple[float, float, str]:
        """Where the name starts or ends, and which of both it is ("start" or "end").

        Args:
            x, y: The point.
            reach: Where its whisker begins and ends.
            name: What is written.
        """
        width = _CHARACTER * len(name)
        for at, height, anchor in self._around(x, y, reach):
            left = at if anchor == "start" else at - width
            box = (left, height - _LINE + 3, left + width, height + 3)
            inside = box[0] >= _LEFT and box[2] <= _WIDTH and box[1] >= _LINE and box[3] <= _BOTTOM
            if inside and not any(_overlap(box, other) for other in self.taken):
                break
        else:
            at, height, anchor = x + 5, y - 6, "start"
            box = (at, height - _LINE, at + width, height)
        self.taken.append(box)
        return at, height, anchor

    @staticmethod
    def _around(
        x: float, y: float, reach: tuple[float, float]
    ) -> Iterator[tuple[float, float, str]]:
        yield x + 5, y - 6, "start"
        yield reach[1] + 6, y + 4, "start"
        yield reach[0] - 6, y + 4, "end"
        for away in range(9):
            for height in (y - 6 - away * _LINE, y + 14 + away * _LINE):
                yield x + 5, height, "start"
                yield x - 5, height, "end"


def scatter(table: EvaluationTable) -> str:
    """HR@k across, coverage upwards on a logarithmic scale, whiskers, faint points for seeds.

    Coverage spans powers of ten: a popularity list shows a handful of items, chance all.
    """
    rows = [table.row(model) for model in table.models]
    hits = table.metrics[0]
    largest = max(_end(row.metrics[hits]) for row in rows)
    covered = [row.metrics[COVERAGE].value or 0.0 for row in rows]
    least = min((one for one in covered if one > 0), default=0.1)
    across = Axis.upto(largest, _LEFT, _RIGHT, ticks=6)
    upwards = LogAxis.around(least, max(*covered, least), _BOTTOM, _TOP)
    title = f"{hits} against coverage, all users"
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
        *_grid(across, upwards, hits),
    ]
    points = [
        (across.at(row.metrics[hits].value or 0.0), upwards.at(one))
        for row, one in zip(rows, covered, strict=True)
    ]
    names = _Labels([box for row in rows for box in _boxes(row, hits, across, upwards)])
    parts += [
        _model(row, hits, across, upwards, "own" if row.model == table.subject else "bar")
        for row in rows
    ]
    for row, (x, y) in zip(rows, points, strict=True):
        short = shortened(row.model, _LABEL_CHARS)
        hit = row.metrics[hits]
        reach = (
            x if hit.low is None else across.at(hit.low),
            x if hit.high is None else across.at(hit.high),
        )
        at, height, anchor = names.place(x, y, reach, short)
        own = ' class="name"' if row.model == table.subject else ""
        parts.append(
            f'<text{own} x="{at:.1f}" y="{height:.1f}" text-anchor="{anchor}">'
            f"{escape(short)}</text>"
        )
    return "".join(parts) + "</svg>"


def _grid(across: Axis, upwards: LogAxis, hits: str) -> Iterator[str]:
    for tick in across.ticks(6):
        x = across.at(tick)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>'
        yield f'<text class="value" text-anchor="middle" x="{x:.1f}" y="{_BOTTOM + 17}">'
        yield f"{label(tick)}</text>"
    for tick in upwards.ticks():
        y = upwards.at(tick)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="value" text-anchor="end" x="{_LEFT - 7}" y="{y + 4:.1f}">'
        yield f"{label(tick)}</text>"
    yield f'<text text-anchor="end" x="{_RIGHT}" y="{_HEIGHT - 8}">{escape(hits)} →</text>'
    yield f'<text x="{_LEFT - 30}" y="12">↑ coverage (logarithmic)</text>'


def _model(row: Row, hits: str, across: Axis, upwards: LogAxis, kind: str) -> str:
    hit, covered = row.metrics[hits], row.metrics[COVERAGE]
    x, y = across.at(hit.value or 0.0), upwards.at(covered.value or 0.0)
    parts = []
    if hit.low is not None and hit.high is not None:
        parts.append(
            f'<line x1="{across.at(hit.low):.1f}" x2="{across.at(hit.high):.1f}" '
            f'y1="{y:.1f}" y2="{y:.1f}"/>'
        )
    if covered.low is not None and covered.high is not None:
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{upwards.at(covered.low):.1f}" '
            f'y2="{upwards.at(covered.high):.1f}"/>'
        )
    parts += [
        f'<circle class="dot" cx="{across.at(one):.1f}" cy="{upwards.at(other):.1f}" r="2.5"/>'
        for one, other in zip(hit.by_seed, covered.by_seed, strict=True)
    ]
    said = f"{row.model}: {hits} {number(hit.value)}, coverage {number(covered.value)}"
    parts.append(
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5">'
        f"<title>{escape(said)}</title></circle>"
    )
    return "".join(parts)


def _boxes(row: Row, hits: str, across: Axis, upwards: LogAxis) -> list[Box]:
    """What a model's point and whiskers cover."""
    hit, covered = row.metrics[hits], row.metrics[COVERAGE]
    x, y = across.at(hit.value or 0.0), upwards.at(covered.value or 0.0)
    boxes = [(x - 4, y - 4, x + 4, y + 4)]
    if hit.low is not None and hit.high is not None:
        boxes.append((across.at(hit.low), y - 1, across.at(hit.high), y + 1))
    if covered.low is not None and covered.high is not None:
        boxes.append((x - 1, upwards.at(covered.high), x + 1, upwards.at(covered.low)))
    return boxes


def _end(measure: Measure) -> float:
    return max(measure.value or 0.0, measure.high or 0.0, *measure.by_seed, 0.0)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
