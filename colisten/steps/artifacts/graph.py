"""Co-listening graphs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from colisten.json_files import read_json, write_json
from colisten.steps.artifacts.base import FolderArtifact

if TYPE_CHECKING:
    from colisten.graph.graph import CoListeningGraph


class GraphSet(FolderArtifact):
    """The co-listening graph: whole, without each user fold, and as it was for validation."""

    _mark = "validation.json"
    _full, _fold, _validation = "full", "fold-{}.arrow", "validation"

    @classmethod
    def write(
        cls,
        folder: Path,
        full: CoListeningGraph,
        folds: Sequence[Any],
        validation: CoListeningGraph | None,
        moment: int | None,
    ) -> Self:
        """Save graphs one after the other, so that memory holds two at most.

        Those of the folds as what tells them from the whole one.

        Args:
            folder: Where to.
            full: Everything before the cut.
            folds: For each user fold, a function that builds the graph without it.
            validation: The graph that ends where the held-out rows begin; None: `full`.
            moment: When they begin, microseconds since 1970 UTC; None where none are held out.
        """
        from colisten.graph.difference import save_difference

        full.save(folder / cls._full)
        for number, build in enumerate(folds):
            save_difference(build(), full, folder / cls._fold.format(number))
        (validation or full).save(folder / cls._validation)
        write_json(folder / cls._mark, moment)
        return cls.load(folder)

    @cached_property
    def full(self) -> CoListeningGraph:
        """Everything before the cut."""
        return self._load(self._full)

    @property
    def num_folds(self) -> int:
        """User folds."""
        return len(list(self.folder.glob(self._fold.format("*"))))

    def fold(self, number: int) -> CoListeningGraph:
        """Without the users of one fold."""
        from colisten.graph.difference import load_difference

        return load_difference(self.full, self.folder / self._fold.format(number))

    @cached_property
    def validation(self) -> CoListeningGraph:
        """As it was when the rows begin that the towers hold out."""
        return self._load(self._validation)

    @property
    def validation_moment(self) -> int | None:
        """When those rows begin, microseconds since 1970 UTC; None where none are held out."""
        moment: int | None = read_json(self.folder / self._mark)
        return moment

    @property
    def full_folder(self) -> Path:
        """Where the whole graph lies."""
        return self.folder / self._full

    def _load(self, name: str) -> CoListeningGraph:
        from colisten.graph.graph import CoListeningGraph

        return CoListeningGraph.load(self.folder / name)
