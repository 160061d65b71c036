"""Profile of a parquet file of any size: a column at a time, so memory does not grow with all."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.duckdb_connection import connect
from colisten.errors import ReportError
from colisten.monitoring.bins import Bins
from colisten.monitoring.profile import ColumnProfile
from colisten.settings.engine import Engine


def profile_parquet(
    file: Path,
    bins: Mapping[str, Bins] | None = None,
    *,
    sketched: bool = True,
    engine: Engine | None = None,
) -> dict[str, ColumnProfile]:
    """Profile every column of numbers, truths or texts; numbers by sketches, texts by DuckDB.

    Args:
        file: One row per user, or per anything else.
        bins: Frozen before, by column; others are frozen now. A column whose bins count the other
            kind of value has bins of its own again.
        sketched: Whether profiles of frozen bins keep sketches too, which takes twice as long;
            without one a profile knows no median.
        engine: How much of the machine may be used.

    Returns:
        Profiles by column; columns of other types (moments, lists) are left out.

    Raises:
        ReportError: The file has no column that can be profiled.
        TableError, OSError: It cannot be read.
    """
    frozen, using = bins or {}, engine or Engine()
    with parquet.opened(file) as opened:
        schema = opened.schema_arrow
    numbers = [one.name for one in schema if _is_number(one.type)]
    texts = [one.name for one in schema if _is_text(one.type)]
    if not numbers and not texts:
        raise ReportError(f"{file} has no column of numbers or texts.", "Choose another file.")
    # Sketches and counts are compiled code that lets other threads go on.
    with ThreadPoolExecutor(using.threads) as pool:
        of_numbers = pool.map(partial(_numbers, file, frozen, sketched), numbers)
        profiles = dict(zip(numbers, of_numbers, strict=True))
    profiles |= _texts(file, texts, frozen, using)
    return {name: profiles[name] for name in schema.names if name in profiles}


def _numbers(file: Path, frozen: Mapping[str, Bins], sketched: bool, name: str) -> ColumnProfile:
    column = parquet.read(file, columns=[name]).column(name)
    values = pc.cast(column, pa.float64()).to_numpy()
    known = frozen.get(name)
    if known is not None and not known.are_of_numbers:
        known = None
    return ColumnProfile.of_numbers(np.asarray(values), known, sketched=sketched)


def _texts(
    file: Path, names: list[str], frozen: Mapping[str, Bins], engine: Engine
) -> dict[str, ColumnProfile]:
    profiles = {}
    with connect(threads=engine.threads, memory_limit=engine.memory_limit) as connection:
        source = parquet.scan(file)
        for name in names:
            quoted = '"' + name.replace('"', '""') + '"'
            counted = connection.sql(
                f"SELECT {quoted}::VARCHAR AS value, count(*) FROM {source} GROUP BY 1"
            ).fetchall()
            rows = sum(times for _, times in counted)
            counts = {value: times for value, times in counted if value is not None}
            known = frozen.get(name)
            if known is not None and known.are_of_numbers:
                known = None
            profiles[name] = ColumnProfile.of_texts(counts, rows, known)
    return profiles


def _is_number(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(test(kind) for test in tests)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean)
    return any(test(kind) for test in tests)
