"""Training rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import pyarrow as pa

from colisten.data import parquet
from colisten.steps.artifacts.base import Artifact


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
