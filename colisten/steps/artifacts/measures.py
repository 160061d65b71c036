"""Ranked lists, and what was measured on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from colisten.json_files import read_model, write_json
from colisten.steps.artifacts.base import Artifact, FolderArtifact

if TYPE_CHECKING:
    from colisten.evaluation.table import EvaluationTable
    from colisten.ranking.lists import Lists


class RankedLists(FolderArtifact):
    """The best items of every user under some models."""

    _mark = "lists.json"

    def read(self) -> Lists:
        """The lists, memory-mapped; raises EvaluationError where they are of another format."""
        from colisten.ranking.lists import Lists

        return Lists.load(self.folder)


@dataclass(frozen=True)
class Measured(Artifact):
    """An evaluation.

    Attributes:
        table: Every model on every slice.
    """

    table: EvaluationTable

    def _write(self, place: Path) -> None:
        write_json(place, self.table)

    @classmethod
    def _read(cls, place: Path) -> Self:
        from colisten.evaluation.table import EvaluationTable

        return cls(read_model(place, EvaluationTable))

    def figures(self) -> dict[str, float]:
        """Every measure of all users, by model and metric; what a pipeline logs."""
        if self.table.empty:
            return {"users": 0.0}
        return {
            f"{model} {metric}".replace(" ", "_").replace("@", "_at_"): measure.value
            for model in self.table.models
            for metric, measure in self.table.row(model).metrics.items()
            if measure.value is not None
        }
