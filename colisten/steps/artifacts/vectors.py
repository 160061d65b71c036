"""Vectors of all items."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from colisten.steps.artifacts.base import Arrays
from colisten.text.golden import nothing_golden


@dataclass(frozen=True, eq=False)
class TextVectors(Arrays):
    """Text vectors of all items.

    Attributes:
        vectors: float32 [num_items, dim], unit rows; zero where an item has no text.
        golden: float32 [sentences, dim], what the encoder says of `colisten.text.golden`; no row
            where no encoder ran.
    """

    vectors: np.ndarray
    golden: np.ndarray = field(default_factory=nothing_golden)


@dataclass(frozen=True, eq=False)
class ItemVectors(Arrays):
    """What the HGNN says of all items.

    Attributes:
        z: float32 [num_items, dim], unit rows.
        z_folds: float32 [folds, num_items, dim], each from the graph without that user fold.
        z_validation: float32 [num_items, dim], from the graph as it was for validation.
    """

    z: np.ndarray
    z_folds: np.ndarray
    z_validation: np.ndarray


@dataclass(frozen=True, eq=False)
class Factors(Arrays):
    """Co-listening factors of all items.

    Attributes:
        factors: float32 [num_items, graph.factors], of the whole graph.
        factors_validation: The same of the graph as it was for validation.
    """

    factors: np.ndarray
    factors_validation: np.ndarray
