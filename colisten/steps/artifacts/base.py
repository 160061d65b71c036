"""What every artifact can do, and its three kinds: files where they lie, arrays, few values.

An artifact is saved whole or not at all and read back before it gets its name. Arrays of saved
artifacts are memory-mapped. Nothing is ever pickled. Each type alone knows its file names, in a
module that imports no more than it needs: every step that takes an artifact reaches its module,
and an edit there repeats the step.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from colisten.errors import PipelineError
from colisten.files import combined_digest, file_digest, folder_digests, write_aside
from colisten.json_files import read_mapping, write_json


class Artifact(ABC):
    """Something that a step leaves: a folder or a file.

    Attributes:
        movable: Whether it can be read when the folder that it lies in has moved.
    """

    movable: ClassVar[bool] = True
    _place: Path | None = None

    @property
    def place(self) -> Path | None:
        """Where it lies; None while it lies nowhere."""
        return self._place

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
        shutil.copytree(self.folder, place, copy_function=link)

    @classmethod
    def _read(cls, place: Path) -> Self:
        if not (place / cls._mark).exists():
            raise FileNotFoundError(f"{cls._mark} is missing")
        return cls(place)


@dataclass(frozen=True, eq=False)
class Arrays(Artifact):
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


@dataclass(frozen=True)
class Values(Artifact):
    """A few values by the names of the fields, as JSON."""

    def _write(self, place: Path) -> None:
        write_json(place, {name: getattr(self, name) for name in self.__dataclass_fields__})

    @classmethod
    def _read(cls, place: Path) -> Self:
        return cls(**read_mapping(place))


def link(source: str | Path, target: str | Path) -> None:
    """A second name of a file; a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
