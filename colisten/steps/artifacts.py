"""What steps hand to each other: each type alone knows its file names.

An artifact is saved whole or not at all and read back before it gets its name. Arrays of saved
artifacts are memory-mapped. Nothing is ever pickled.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import PipelineError
from colisten.files import combined_digest, file_digest, folder_digests, write_aside
from colisten.json_files import read_json, read_mapping, read_model, write_json
from colisten.reports.page import Page, write_page

if TYPE_CHECKING:
    from colisten.data.catalogue import Catalogue
    from colisten.evaluation.table import EvaluationTable
    from colisten.features.lightfeast import FeatureStore
    from colisten.graph.graph import CoListeningGraph
    from colisten.models.onnx_tower import OnnxUserTower
    from colisten.ranking.lists import Lists


class Artifact(ABC):
    """Something that a step leaves: a folder or a file."""

    _place: Path | None = None

    @abstractmethod
    def _write(self, place: Path) -> None:
        """Write all of it at `place`, where nothing is yet."""

    @classmethod
    @abstractmethod
    def _read(cls, place: Path) -> Self:
        """Read what `_write` wrote."""

    @classmethod
    def load(cls, place: Path, digest: str | None = None) -> Self:
        """Read what `save` wrote.

        Args:
            place: Where it lies.
            digest: Of its content, where it is known.

        Raises:
            PipelineError: There is none, or it cannot be read.
        """
        try:
            made = cls._read(place)
        except (OSError, ValueError, TypeError, KeyError, EOFError, pa.ArrowException) as error:
            raise PipelineError(
                f"Cannot read {cls.__name__} from {place}: {error}.", "Run the step again."
            ) from error
        object.__setattr__(made, "_place", place)
        if digest is not None:
            vars(made)["digest"] = digest
        return made

    def save(self, place: Path) -> Self:
        """Write it to `place`, whole or not at all; returns it as it is read from there."""
        if self._place != place:
            with write_aside(place) as aside:
                self._write(aside)
                self.load(aside)
        return self.load(place)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its content."""
        if self._place is not None:
            return self._digest_at(self._place)
        with tempfile.TemporaryDirectory() as folder:
            return self.save(Path(folder) / "artifact").digest

    @classmethod
    def _digest_at(cls, place: Path) -> str:
        return file_digest(place) if place.is_file() else combined_digest(folder_digests(place))


@dataclass(frozen=True)
class FolderArtifact(Artifact):
    """An artifact that is read where it lies.

    Attributes:
        folder: Where.
    """

    folder: Path
    # One of its files; where it is missing, the folder holds something else.
    _mark: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_place", self.folder)

    def _write(self, place: Path) -> None:
        shutil.copytree(self.folder, place, copy_function=_link)

    @classmethod
    def _read(cls, place: Path) -> Self:
        if not (place / cls._mark).exists():
            raise FileNotFoundError(f"{cls._mark} is missing")
        return cls(place)


class Events(FolderArtifact):
    """Checked interactions, and exposures where there are any: a window that measures."""

    _mark = "interactions.parquet"


class History(Events):
    """Checked tables with nothing at or after the cut: items, users, music, interactions."""

    _mark = "items.parquet"

    @cached_property
    def catalogue(self) -> Catalogue:
        """The items, in the order of every array."""
        from colisten.data.catalogue import Catalogue

        return Catalogue.read(self.folder)


class Features(FolderArtifact):
    """A Feast repository, which stays where it was built: its registry holds absolute paths."""

    _mark = "feature_store.yaml"

    def open(self) -> FeatureStore:
        """The store; raises FeatureError where Feast cannot read it."""
        from colisten.features.store import open_store

        return open_store(self.folder)

    @classmethod
    def _digest_at(cls, place: Path) -> str:
        # The registry holds paths and moments of its making; the sources are what it serves.
        return combined_digest(folder_digests(place / "sources"))


class GraphSet(FolderArtifact):
    """The co-listening graph: whole, without each user fold, and as it was for validation."""

    _mark = "validation.json"
    _full, _fold, _validation = "full", "fold-{}", "validation"

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

        Args:
            folder: Where to.
            full: Everything before the cut.
            folds: For each user fold, a function that builds the graph without it.
            validation: The graph that ends where the held-out rows begin; None: `full`.
            moment: When they begin, microseconds since 1970 UTC; None where none are held out.
        """
        full.save(folder / cls._full)
        for number, build in enumerate(folds):
            build().save(folder / cls._fold.format(number))
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
        return self._load(self._fold.format(number))

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


class HGNNModel(FolderArtifact):
    """A trained HGNN: weights, card, learning curve."""

    _mark = "hgnn.safetensors"


class Towers(FolderArtifact):
    """Two trained towers with every target item's vector, and the specification of features."""

    _mark = "user_tower.onnx"

    def open(self, threads: int = 1) -> OnnxUserTower:
        """The user tower and the item vectors."""
        from colisten.models.onnx_tower import OnnxUserTower

        return OnnxUserTower(self.folder, threads=threads)


class RankedLists(FolderArtifact):
    """The best items of every user under some models."""

    _mark = "lists.json"

    def read(self) -> Lists:
        """The lists, memory-mapped; raises EvaluationError where they are of another format."""
        from colisten.ranking.lists import Lists

        return Lists.load(self.folder)


@dataclass(frozen=True, eq=False)
class _Arrays(Artifact):
    """Arrays by the names of the fields, a file each."""

    def _write(self, place: Path) -> None:
        place.mkdir()
        for name in self.__dataclass_fields__:
            np.save(place / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def _read(cls, place: Path) -> Self:
        return cls(
            *(
                np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in cls.__dataclass_fields__
            )
        )


@dataclass(frozen=True, eq=False)
class TextVectors(_Arrays):
    """Text vectors of all items.

    Attributes:
        vectors: float32 [num_items, dim], unit rows; zero where an item has no text.
    """

    vectors: np.ndarray


@dataclass(frozen=True, eq=False)
class ItemVectors(_Arrays):
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
class Factors(_Arrays):
    """Co-listening factors of all items.

    Attributes:
        factors: float32 [num_items, graph.factors], of the whole graph.
        factors_validation: The same of the graph as it was for validation.
    """

    factors: np.ndarray
    factors_validation: np.ndarray


@dataclass(frozen=True, eq=False)
class TrainingRows(Artifact):
    """What the towers learn from.

    Attributes:
        rows: One row per first start of a target item, with what was known just before it.
        users: What was known of each of their users at the cut.
    """

    rows: pa.Table
    users: pa.Table
    _files: ClassVar[tuple[str, str]] = ("rows.parquet", "users.parquet")

    def _write(self, place: Path) -> None:
        place.mkdir()
        for table, name in zip((self.rows, self.users), self._files, strict=True):
            parquet.write(table, place / name)

    @classmethod
    def _read(cls, place: Path) -> Self:
        return cls(*(parquet.read(place / name) for name in cls._files))


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


@dataclass(frozen=True)
class _Mapping(Artifact):
    """A few values by the names of the fields, as JSON."""

    def _write(self, place: Path) -> None:
        write_json(place, {name: getattr(self, name) for name in self.__dataclass_fields__})

    @classmethod
    def _read(cls, place: Path) -> Self:
        return cls(**read_mapping(place))


@dataclass(frozen=True)
class Decision(_Mapping):
    """What the gate decided: see `colisten.release.gate.GateDecision`."""

    passed: bool
    reasons: Sequence[str]
    warnings: Sequence[str]


@dataclass(frozen=True)
class Published(_Mapping):
    """A published release.

    Attributes:
        release_id: Its id.
        folder: Where it lies.
        promoted: Whether it is live.
        reasons, warnings: Of the gate.
    """

    release_id: str
    folder: str
    promoted: bool
    reasons: Sequence[str]
    warnings: Sequence[str]


@dataclass(frozen=True)
class TableFile(Artifact):
    """One parquet file.

    Attributes:
        file: Where it lies.
    """

    file: Path

    def _write(self, place: Path) -> None:
        _link(self.file, place)

    @classmethod
    def _read(cls, place: Path) -> Self:
        with parquet.opened(place):
            return cls(place)


@dataclass(frozen=True)
class HtmlPage(Artifact):
    """A page for people.

    Attributes:
        content: The page, or the file that it was written to.
    """

    content: Page | Path

    def _write(self, place: Path) -> None:
        if isinstance(self.content, Path):
            _link(self.content, place)
        else:
            write_page(place, self.content)

    @classmethod
    def _read(cls, place: Path) -> Self:
        return cls(place)


@dataclass(frozen=True)
class Metrics(Artifact):
    """Figures worth logging; one that is not finite is null in the file.

    Attributes:
        figures: By name.
    """

    figures: Mapping[str, float | None]

    def _write(self, place: Path) -> None:
        write_json(place, self.figures, indent=None)

    @classmethod
    def _read(cls, place: Path) -> Self:
        return cls(read_mapping(place))


def _link(source: str | Path, target: str | Path) -> None:
    """A second name of a file; a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
