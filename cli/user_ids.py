"""Whose shelves are asked for: ids in a file, or all that the features know."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.ids import id_fault
from colisten.errors import ConfigError, FeatureError
from colisten.features.names import SOURCES
from colisten.release.feature_files import meant_release, repository_of
from colisten.words import shown

_COLUMN = "user_id"
_MAGIC = b"PAR1"


def read_user_ids(file: Path) -> list[str]:
    """Ids of a parquet or CSV file with a column user_id, or of one id a line; each once.

    A text file whose first line names a column user_id is CSV.

    Raises:
        ConfigError: The file cannot be read, has no such column, no id, or what is none.
    """
    try:
        with file.open("rb") as stream:
            is_parquet = stream.read(len(_MAGIC)) == _MAGIC
        ids = _of_parquet(file) if is_parquet else _of_text(file)
    except (OSError, ValueError, pa.ArrowException, csv.Error) as error:
        raise ConfigError(
            f"Cannot read users from {file}: {error}.",
            "Give a parquet or CSV file with a column user_id, or one id a line.",
        ) from error
    for each in ids:
        if fault := id_fault(each):
            raise ConfigError(f"{file} holds {shown(each)}, which {fault}.", "Leave it out.")
    if not ids:
        raise ConfigError(f"{file} holds no user.", "Give one id a line, or a column user_id.")
    return ids


def every_user(out: Path) -> list[str]:
    """Ids of all users that the features of a run know, in order.

    Raises:
        FeatureError: The run's folder holds no feature sources.
    """
    folder = repository_of(out, meant_release(out))
    files = sorted((folder / SOURCES).glob("user_*.parquet"))
    if not files:
        raise FeatureError(
            f"{folder} has no sources that list its users.", "Name them: --users FILE."
        )
    columns = [parquet.read(file, columns=[_COLUMN]).column(_COLUMN) for file in files]
    ids = pc.unique(pa.chunked_array([part for each in columns for part in each.chunks]))
    return sorted(ids.drop_null().to_pylist())


def _of_parquet(file: Path) -> list[str]:
    column = parquet.read(file, columns=[_COLUMN]).column(_COLUMN).cast(pa.string())
    return list(pc.unique(column).drop_null().to_pylist())


def _of_text(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    rows = csv.reader(lines)
    header = [name.strip() for name in next(rows, [])]
    if _COLUMN in header:
        at = header.index(_COLUMN)
        lines = [row[at] for row in rows if len(row) > at]
    return list(dict.fromkeys(line for line in lines if line.strip()))
