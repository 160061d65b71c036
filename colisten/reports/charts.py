"""The numbers of a chart as percentages of its picture; templates/charts.jinja draws them.

Charts are marks at percentages, and their text is text of the page: matplotlib's SVG needs style
attributes, which the pages' policy refuses, and plotly 4.6 MB of script a page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

LEFT, RIGHT, TOP, BOTTOM = 12.0, 98.0, 9.0, 84.0
"""Where the drawing of a plane begins and ends, in percent of the picture."""
_TINY = 1e-12


class Ranged(Protocol):
    """A value with its interval, any of them None."""

    @property
    def value(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def ends(measures: Iterable[Ranged]) -> list[float]:
    """All finite numbers that some values and their intervals reach."""
    numbers = (number for one in measures for number in (one.value, one.low, one.high))
    return [number for number in numbers if number is not None and math.isfinite(number)]


@dataclass(frozen=True)
class Scale:
    """Numbers from `low` to `high` as percentages from `begin` to `end`; beyond, the nearer end.

    Attributes:
        low, high: Below and at most; above 0 where logarithmic.
        begin, end: Percent of the picture at both; swapped where numbers grow upwards.
        log: Whether equal steps are equal factors.
    """

    low: float
    high: float
    begin: float = 0.0
    end: float = 100.0
    log: bool = False

    @classmethod
    def over(
        cls,
        numbers: Sequence[float],
        begin: float = 0.0,
        end: float = 100.0,
        *,
        most: float = math.inf,
    ) -> Scale:
        """From zero, or the least number below it, to the largest, or to `most` of a measure."""
        low, high = min([0.0, *numbers]), min(most, max([0.0, *numbers]))
        return cls(low, high if high - low > _TINY else low + 1.0, begin, end)

    def __call__(self, number: float) -> float:
        low, high = self.low, self.high
        number = min(max(number, low), high)
        if self.log:
            low, high, number = math.log(low), math.log(high), math.log(number)
        return round(self.begin + (self.end - self.begin) * (number - low) / (high - low), 2)

    def start(self, one: float, other: float) -> float:
        """Where a bar between two numbers begins."""
        return min(self(one), self(other))

    def length(self, one: float, other: float) -> float:
        """How long a bar between two numbers is."""
        return round(abs(self(one) - self(other)), 2)

    def span(self, one: Ranged) -> tuple[float, float] | None:
        """Both ends of an interval; None where there is none."""
        if one.low is None or one.high is None:
            return None
        return self(one.low), self(one.high)

    def ticks(self, *, shares: bool = False) -> list[tuple[float, str]]:
        """Places and labels of round numbers, as percentages if `shares`; powers of ten if log."""
        if self.log:
            powers = range(
                math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1
            )
            numbers = [10.0**power for power in powers]
            if len(numbers) < 2:
                numbers = [self.low, self.high]
        else:
            step = _round_step((self.high - self.low) / 4)
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            numbers = [step * at for at in range(first, last + 1)]
        return [
            (self(number), f"{100 * number:.4g}%" if shares else f"{number:.4g}")
            for number in numbers
        ]


@dataclass(frozen=True)
class Point:
    """A point, its whiskers and those of single trainings, in percent; without a note it is a
    corner of a line alone."""

    x: float
    y: float
    note: str = ""
    x_span: tuple[float, float] | None = None
    y_span: tuple[float, float] | None = None
    seeds: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Series:
    """Points of one name.

    Attributes:
        name: For the legend; empty where it needs none.
        kind: Class of the theme: `own`, `chance`, `bar`, `hue1` to `hue4`.
        points: In order.
        joined: Whether a line goes through them.
        number: Written on the points and in the legend.
    """

    name: str
    kind: str
    points: Sequence[Point]
    joined: bool = False
    number: int = 0

    @property
    def segments(self) -> list[tuple[Point, Point]]:
        """Neighbours that a line joins."""
        return list(pairwise(self.points)) if self.joined else []


@dataclass(frozen=True)
class Plane:
    """Series over two axes; the first series is drawn last, on top."""

    x_name: str
    y_name: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    series: Sequence[Series]
    x_grid: bool = True

    @property
    def legend(self) -> list[Series]:
        """Series with a name."""
        return [one for one in self.series if one.name]


@dataclass(frozen=True)
class Row:
    """A row of a range chart: a name, a bar or a dot with its interval, and the value in words."""

    name: str
    one: Any
    value: str
    kind: str = "bar"
    seeds: Sequence[float] = ()


def _round_step(least: float) -> float:
    """The first of 1, 2, 2.5 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(
        one * power for one in (1.0, 2.0, 2.5, 5.0, 10.0) if one * power >= least * (1 - 1e-9)
    )
