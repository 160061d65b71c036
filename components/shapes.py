"""Which settings shape which step.

A step is taken from the cache when its inputs are equal. Handed the whole tree of settings it
would be repeated whenever anything in it changes; handed only what it reads, another seed leaves
the graph alone and another tower the HGNN. What a step does not read is put back to its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colisten.config import Settings, settings_from

# How fast and in how much room a step computes; threads also decide the last bits of a training.
ENGINE = ("threads", "memory_limit")


@dataclass(frozen=True)
class Shape:
    """Sections, or single settings, that a step reads.

    Attributes:
        reads: Names such as `hgnn`, `cross_fitting.folds` or `seed`.
        but: Settings of those sections that it does not read.
    """

    reads: tuple[str, ...]
    but: tuple[str, ...] = ()

    def covers(self, name: str) -> bool:
        """Whether a step of this shape is told the setting `name` (as `section.name`)."""
        section = name.partition(".")[0]
        return name not in self.but and (name in self.reads or section in self.reads)


# How a mean is taken over a history is the towers' affair; the store keeps the events.
_MEANS = ("features.half_life_days",)
SHAPES: Mapping[str, Shape] = {
    "tables": Shape(("data", *ENGINE)),
    "text": Shape(("text", "threads")),
    "features": Shape(("data", "features", *ENGINE), but=_MEANS),
    "graph": Shape(
        ("data", "graph", "cross_fitting.folds", "towers.validation_share", *ENGINE),
        but=("graph.factors",),
    ),
    "hgnn": Shape(("data", "hgnn", "graph.factors", "cross_fitting.folds", "seed", "threads")),
    "rows": Shape(("data", *ENGINE)),
    # Epochs are chosen by the measure that counts, so its depth is part of a tower.
    "towers": Shape(
        (
            "data",
            "features",
            "towers",
            "evaluation.k",
            "evaluation.depth",
            "seed",
            *ENGINE,
        )
    ),
    "ranking": Shape(("data", "evaluation", "seed", *ENGINE)),
}


def shaped(settings: Settings, step: str) -> Settings:
    """The settings that shape a step, everything else at its default.

    Args:
        settings: The whole tree.
        step: A key of `SHAPES`.
    """
    whole = settings.model_dump(mode="json")
    tree: dict[str, Any] = {}
    for name, value in whole.items():
        if isinstance(value, dict):
            told = {leaf: each for leaf, each in value.items() if _told(step, f"{name}.{leaf}")}
            if told:
                tree[name] = told
        elif _told(step, name):
            tree[name] = value
    return settings_from(tree)


def _told(step: str, name: str) -> bool:
    return SHAPES[step].covers(name)
