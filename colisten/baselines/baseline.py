"""What a baseline is: a way to fit, and the values its settings are tuned over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from colisten.ranking.top_k import Scorer

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Baseline:
    """A model with the settings it is tuned over.

    Attributes:
        name: What the table calls it.
        fit: Interactions, parameters, threads and seed to a scorer of the matrix's rows.
        grid: Values tried of each parameter.
        needs_text: Whether it learns from the items' text vectors as well.
        builds_on: A fit of its own that all choices share, tuned by itself first. `fit` takes it
            as `component`, float32 [b, ...] of rows.
        stages: As `fit`, for a model that learns in rounds: longer and longer fits, each with the
            parameters under which `fit` repeats it. Tuning goes on while they get better.
        answers_everyone: Whether the scorer takes row -1, a user without an event, and has an
            answer; else popularity answers.
    """

    name: str
    fit: Callable[..., Scorer]
    grid: Mapping[str, tuple[Any, ...]]
    needs_text: bool = False
    builds_on: Baseline | None = None
    stages: Callable[..., Iterator[tuple[Parameters, Scorer]]] | None = None
    answers_everyone: bool = False

    def choices(self) -> list[dict[str, Any]]:
        """Every combination of the grid."""
        return [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]
