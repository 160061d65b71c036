"""Sound source folders, and how the tests of this room break them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from colisten.data import parquet
from colisten.data.contract import EXPOSURES, LINKS, TABLES
from tests.conftest import START

Row = dict[str, Any]
SINCE = START + timedelta(days=120)


def copy_source(source: Path, folder: Path) -> Path:
    """A copy of a source folder with tables of every kind, to be changed freely."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    ids = parquet.read(folder / "items.parquet").column("item_id")
    vectors = pa.array([[float(at % 7), 1.0] for at in range(len(ids))], pa.list_(pa.float32()))
    parquet.write(pa.table({"item_id": ids, "vector": vectors}), folder / "text_vectors.parquet")
    scores = {"item_id": ids, "score": pa.array(range(len(ids)), pa.float64())}
    since = pa.nulls(len(ids), pa.timestamp("us", tz="UTC"))
    parquet.write(pa.table({**scores, "since": since}), folder / "popularity.parquet")
    shown = [
        {
            "request_id": f"r{number // 2}",
            "user_id": f"u{number // 2:04d}",
            "variant": ("popular", "2t-hgnn")[number // 2 % 2],
            "release_id": None if number % 4 < 2 else "rel1",
            "surface": "home",
            "item_id": f"a{number:03d}",
            "position": 1 + number % 2,
            "timestamp": START + timedelta(days=5 * number + 3),
        }
        for number in range(40)
    ]
    author = {"relation": "same author", "since": None}
    joined = [
        {"item_id": "a010", "other_id": "a011", **author},
        {"item_id": "a010", "other_id": "p011", "relation": "talks of / 'it'", "since": SINCE},
        {"item_id": "a012", "other_id": "a011", **author},
    ]
    for table, rows in ((EXPOSURES, shown), (LINKS, joined)):
        parquet.write(pa.Table.from_pylist(rows, schema=table.schema), folder / table.file_name)
    return folder


def edit(folder: Path, table: str, change: Callable[[list[Row]], list[Row] | None]) -> None:
    """Change a table's rows; the schema stays."""
    file = folder / f"{table}.parquet"
    old = parquet.read(file)
    rows = old.to_pylist()
    changed = change(rows)
    parquet.write(
        pa.Table.from_pylist(rows if changed is None else changed, schema=old.schema), file
    )


def put(folder: Path, table: str, column: str, values: dict[int, Any]) -> None:
    """Set single values, by row number."""

    def change(rows: list[Row]) -> None:
        for row, value in values.items():
            rows[row][column] = value

    edit(folder, table, change)


def replace(folder: Path, table: str, column: str, values: pa.Array | pa.ChunkedArray) -> None:
    """Put another array in a column's place, of whatever type."""
    file = folder / f"{table}.parquet"
    old = parquet.read(file)
    at = old.schema.get_field_index(column)
    parquet.write(old.set_column(at, column, values), file)


def recast(folder: Path, table: str, column: str, kind: pa.DataType) -> None:
    """Cast a column."""
    old = parquet.read(folder / f"{table}.parquet", columns=[column])
    replace(folder, table, column, old.column(column).cast(kind))


def drop(folder: Path, table: str, *columns: str) -> None:
    """Remove columns."""
    file = folder / f"{table}.parquet"
    parquet.write(parquet.read(file).drop_columns(list(columns)), file)


def damage(file: Path) -> None:
    """Overwrite bytes in the middle of a parquet file; its footer stays readable."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 400] = b"\xff" * 400
    file.write_bytes(bytes(content))


def tables_of(folder: Path) -> dict[str, list[Row]]:
    """Every table's rows, by name."""
    return {
        table.name: parquet.read(folder / table.file_name).to_pylist()
        for table in TABLES
        if (folder / table.file_name).exists()
    }
