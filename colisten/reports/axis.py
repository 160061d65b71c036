"""One axis of a chart: numbers to pixels, with ticks at round numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """Maps 0..`top` to `start`..`end` in pixels.

    Attributes:
        top: Largest number, above 0.
        start: Pixel of 0.
        end: Pixel of `top`; before `start` where numbers grow upwards.
    """

    top: float
    start: float
    end: float

    @classmethod
    def upto(cls, largest: float, start: float, end: float, *, ticks: int = 4) -> Axis:
        """An axis that ends at the first round number at or above `largest`."""
        step = _round_step(largest / ticks if largest > 0 else 1.0)
        return cls(step * max(1, math.ceil(largest / step - 1e-9)), start, end)

    def at(self, number: float) -> float:
        """Pixel of a number."""
        return self.start + (self.end - self.start) * number / self.top

    def ticks(self, count: int = 4) -> list[float]:
        """Round numbers from 0 to `top`."""
        step = _round_step(self.top / count)
        return [step * at for at in range(math.floor(self.top / step + 1e-9) + 1)]


@dataclass(frozen=True)
class LogAxis:
    """Maps the logarithm of `bottom`..`top`; what lies below `bottom` is drawn there.

    Attributes:
        bottom: Smallest number, above 0.
        top: Largest number, above `bottom`.
        start: Pixel of `bottom`.
        end: Pixel of `top`.
    """

    bottom: float
    top: float
    start: float
    end: float

    @classmethod
    def around(cls, least: float, largest: float, start: float, end: float) -> LogAxis:
        """An axis from a 1, 2 or 5 at or below `least` (above 0) to one at or above `largest`."""
        bottom = max(one for one in _series(least / 10, least) if one <= least * (1 + 1e-9))
        top = min(one for one in _series(largest, largest * 10) if one >= largest * (1 - 1e-9))
        return cls(bottom, top if top > bottom else bottom * 10, start, end)

    def at(self, number: float) -> float:
        """Pixel of a number."""
        share = math.log(max(number, self.bottom) / self.bottom) / math.log(self.top / self.bottom)
        return self.start + (self.end - self.start) * share

    def ticks(self) -> list[float]:
        """1, 2 and 5 in every decade, or powers of ten alone where those would crowd."""
        inside = [
            one
            for one in _series(self.bottom, self.top)
            if self.bottom * (1 - 1e-9) <= one <= self.top * (1 + 1e-9)
        ]
        tens = [one for one in inside if math.isclose(math.log10(one) % 1, 0, abs_tol=1e-9)]
        return tens if len(inside) > 8 and len(tens) > 2 else inside


def label(number: float) -> str:
    """A tick's number without needless digits."""
    return f"{number:.6f}".rstrip("0").rstrip(".") or "0"


def _series(least: float, largest: float) -> list[float]:
    """1, 2 and 5 in every decade from that of `least` to the one after that of `largest`."""
    decades = range(math.floor(math.log10(least)), math.floor(math.log10(largest)) + 2)
    return [float(f"{one}e{decade}") for decade in decades for one in (1, 2, 5)]


def _round_step(least: float) -> float:
    size = 10.0 ** math.floor(math.log10(least))
    return size * next(step for step in _STEPS if step * size >= least * (1 - 1e-9))
