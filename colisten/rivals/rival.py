"""What a rival is: a way to fit, and the values its settings are tuned over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from colisten.rivals.touches import Touches

Scorer = Callable[[np.ndarray], np.ndarray]
"""Rows of `Touches` (int64 [b]) to scores of the target items, float32 [b, num_target]."""
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Rival:
    """A model with the settings it is tuned over.

    Attributes:
        name: What the table calls it.
        fit: Touches, parameters, threads and seed to a scorer.
        grid: Values tried of each parameter.
        needs_text: Whether it learns from the items' text vectors as well.
    """

    name: str
    fit: Callable[[Touches, Parameters, int, int], Scorer]
    grid: Mapping[str, tuple[Any, ...]]
    needs_text: bool = False

    def choices(self) -> list[dict[str, Any]]:
        """Every combination of the grid."""
        return [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]
