"""Tables of a world under other words: foreign types, foreign signals, a single type.

tables = read_tables(world)
    write_tables(folder, renamed(tables, types={"audiobook": "film"}, signals={"follow": "save"}))
write_tables(folder, single_type(tables, "audiobook"))
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Tables = dict[str, pa.Table]
"""Tables of the contract by name, such as `items`."""


def read_tables(folder: Path) -> Tables:
    """Every table of a folder."""
    return {path.stem: pq.read_table(path) for path in sorted(folder.glob("*.parquet"))}


def write_tables(folder: Path, tables: Mapping[str, pa.Table]) -> Path:
    """Write every table to a folder, which is made where it is not there; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def renamed(
    tables: Mapping[str, pa.Table],
    *,
    types: Mapping[str, str] | None = None,
    signals: Mapping[str, str] | None = None,
) -> Tables:
    """The same tables with other words for item types and signals; words not named stay."""
    words = {"item_type": types or {}, "signal": signals or {}}
    changed = dict(tables)
    for name, table in tables.items():
        for column in words.keys() & set(table.column_names):
            values = [words[column].get(word, word) for word in table[column].to_pylist()]
            at = table.column_names.index(column)
            table = table.set_column(at, table.field(column), pa.array(values, pa.string()))
        changed[name] = table
    return changed


def single_type(tables: Mapping[str, pa.Table], item_type: str) -> Tables:
    """The same tables without items of any other type, nor what was done to them."""
    items = tables["items"]
    ids = items.filter(pc.equal(items["item_type"], item_type))["item_id"].combine_chunks()
    changed = dict(tables)
    for name, table in tables.items():
        for column in {"item_id", "other_id"} & set(table.column_names):
            table = table.filter(pc.is_in(table[column], value_set=ids))
        changed[name] = table
    return changed
