"""Places that keep rows of a person: tables, logs, finished steps."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.table_log import ENDING, count_rows, drop_rows
from colisten.files import write_aside

USER = "user_id"
_MAGIC = b"PAR1"


class Place(Protocol):
    """Somewhere that a person may be found."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def done(self) -> str:
        """What `remove` does to it, in words."""

    def count(self, user_id: str) -> int:
        """How many rows of a person it holds."""

    def remove(self, user_id: str) -> int:
        """Leave it without them, whole or not at all; returns how many rows went."""


@dataclass(frozen=True)
class ParquetTable:
    """A parquet file with a column `user_id`; its other rows stay as they are, in their order."""

    path: Path
    done: str = "rows removed"

    def count(self, user_id: str) -> int:
        """See `Place`."""
        with parquet.opened(self.path) as file:
            return sum(
                pc.sum(_theirs(group.column(0), user_id)).as_py() or 0
                for group in _groups(file, [USER])
            )

    def remove(self, user_id: str) -> int:
        """See `Place`."""
        rows = self.count(user_id)
        if not rows:
            return 0
        written = self.path.stat()
        with parquet.opened(self.path) as file, write_aside(self.path) as aside:
            options = {"compression": _compression(file)}
            with parquet.writer(aside, file.schema_arrow, **options) as writer:
                for group in _groups(file, None):
                    kept = group.filter(pc.invert(_theirs(group[USER], user_id)))
                    writer.write_table(_without_spare_words(kept))
            _keep_moment(aside, written)
        return rows


@dataclass(frozen=True)
class RowLog:
    """A log of rows (`colisten.data.table_log`) with a column `user_id`."""

    path: Path
    done: str = "rows removed"

    def count(self, user_id: str) -> int:
        """See `Place`."""
        return count_rows(self.path, USER, user_id)

    def remove(self, user_id: str) -> int:
        """See `Place`."""
        return drop_rows(self.path, USER, user_id)


@dataclass(frozen=True)
class Finished:
    """Results of finished steps: what a next run would make again from tables without the person.

    Lists and models of steps hold what was made of a person without naming them, so all go where
    any holds their rows. Those go last: as long as one is left, the rest is known to be due.

    Attributes:
        path: Folder of the steps.
        held: What is removed, each with its tables of users.
    """

    path: Path
    held: Mapping[Path, Sequence[ParquetTable | RowLog]]
    done: str = "all steps removed; the next run makes them again"

    def count(self, user_id: str) -> int:
        """See `Place`."""
        return sum(self._rows(user_id).values())

    def remove(self, user_id: str) -> int:
        """See `Place`."""
        rows = self._rows(user_id)
        if any(rows.values()):
            for path in sorted(rows, key=lambda one: rows[one] > 0):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return sum(rows.values())

    def _rows(self, user_id: str) -> dict[Path, int]:
        return {
            path: sum(table.count(user_id) for table in tables)
            for path, tables in self.held.items()
        }


def tables_in(
    folder: Path, but: Sequence[Path], unreadable: list[Path]
) -> Iterator[ParquetTable | RowLog]:
    """Tables and logs of users under a folder, in order; links are not followed.

    Args:
        folder: Where.
        but: Folders that are left out.
        unreadable: Is added what begins like a table and is none.
    """
    for place, names, files in os.walk(folder):
        here = Path(place)
        names[:] = sorted(name for name in names if here / name not in but)
        for path in sorted(here / name for name in files):
            if path.is_symlink() or not path.is_file():
                continue
            if path.suffix == ENDING:
                yield RowLog(path)
                continue
            try:
                if _is_of_users(path):
                    yield ParquetTable(path)
            except pa.ArrowException:
                unreadable.append(path)


def _is_of_users(path: Path) -> bool:
    with path.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            return False
    with parquet.opened(path) as file:
        schema = file.schema_arrow
        return USER in schema.names and not pa.types.is_nested(schema.field(USER).type)


def _groups(file: parquet.OpenFile, columns: list[str] | None) -> Iterator[pa.Table]:
    for group in range(file.num_row_groups):
        yield file.read_row_group(group, columns=columns)


def _theirs(users: pa.ChunkedArray, user_id: str) -> pa.ChunkedArray:
    """Which rows are of a person, never null."""
    return pc.fill_null(pc.equal(users.cast(pa.string()), user_id), False)


def _without_spare_words(table: pa.Table) -> pa.Table:
    """The same rows; a column that is coded lists only the values that it still has."""
    for at, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            plain = table.column(at).cast(column.type.value_type)
            table = table.set_column(at, column, plain.dictionary_encode().cast(column.type))
    return table


def _compression(file: parquet.OpenFile) -> str:
    """How a file's columns are compressed."""
    metadata = file.metadata
    if not metadata.num_row_groups or not metadata.num_columns:
        return "zstd"
    found = str(metadata.row_group(0).column(0).compression)
    return "none" if found == "UNCOMPRESSED" else found


def _keep_moment(file: Path, written: os.stat_result) -> None:
    """A rewritten file stays as old as it was, for whoever asks which is the latest."""
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
