"""Bins of a column, frozen with the window that they were first drawn for.

Later windows are counted over the same bins, so that two counts can be compared without the rows.
"""

from __future__ import annotations

from colisten.extras import needs

needs("datasketches")

from collections.abc import Mapping
from typing import Self

import numpy as np
import pandas as pd
from datasketches import kll_doubles_sketch
from pydantic import BaseModel, ConfigDict

BINS = 10
"""Of numbers: tenths of the reference."""

MAX_CATEGORIES = 50
"""The most common ones of the reference have a bin each, all others one together."""

ACCURACY = 200
"""Of a KLL sketch: ranks are right to within 1.33 % of the rows."""


class Bins(BaseModel):
    """Where a column's values are counted.

    Attributes:
        edges: Of numbers: ascending; a value at an edge lies above it. There is one more bin than
            edges.
        categories: Of texts: one bin each, and one more for what is none of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...] | None = None
    categories: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.edges if self.edges is not None else self.categories or ()) + 1

    @property
    def are_of_numbers(self) -> bool:
        """Whether they count numbers."""
        return self.edges is not None

    @classmethod
    def of_sketch(cls, sketch: kll_doubles_sketch) -> Self:
        """Tenths of what a sketch has seen; a value that fills a tenth has a bin of its own."""
        if sketch.is_empty():
            return cls(edges=())
        tenths = np.asarray(sketch.get_quantiles([one / BINS for one in range(1, BINS)]))
        values, times = np.unique(tenths, return_counts=True)
        # A quantile at the least or the largest value parts it from what may come beyond it.
        ends = (sketch.get_min_value(), sketch.get_max_value())
        alone = values[(times > 1) | np.isin(values, ends)]
        edges = np.unique(np.concatenate([values, np.nextafter(alone, np.inf)]))
        return cls(edges=tuple(edges.tolist()))

    @classmethod
    def of_categories(cls, counts: Mapping[str, int]) -> Self:
        """The most common values of a column, by value and count."""
        order = sorted(counts, key=lambda value: (-counts[value], value))
        return cls(categories=tuple(order[:MAX_CATEGORIES]))

    def counts_of_numbers(self, values: np.ndarray) -> np.ndarray:
        """Values in each bin, int64 [len(self)].

        Args:
            values: float64 [n] without nan.
        """
        places = np.searchsorted(np.asarray(self.edges or ()), values, side="right")
        return np.bincount(places, minlength=len(self))

    def counts_of_texts(self, counts: Mapping[str, int]) -> np.ndarray:
        """Values in each bin, int64 [len(self)], from how often each value is there."""
        own = self.categories or ()
        inside = [counts.get(value, 0) for value in own]
        return np.array([*inside, sum(counts.values()) - sum(inside)], dtype=np.int64)

    def others(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Values without a bin of their own, the `MAX_CATEGORIES` most common ones."""
        own = set(self.categories or ())
        rest = {value: count for value, count in counts.items() if value not in own}
        order = sorted(rest, key=lambda value: (-rest[value], value))
        return {value: rest[value] for value in order[:MAX_CATEGORIES]}


def text_counts(values: pd.Series) -> dict[str, int]:
    """How often each text is there, None left out."""
    return {str(value): int(count) for value, count in values.value_counts().items()}
