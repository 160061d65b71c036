"""Parquet files, taken for what they are: the one place that opens and writes them.

Every library has ideas of its own about a path. DuckDB and Spark make columns of folders named
`key=value`, which replace the file's own; both take `*`, `?` and `[` for a pattern; Arrow takes
a relative path with a colon for an address. Here a path names one file and a file's columns are
those inside it, wherever a run happens to lie. `tests/test_readers.py` finds readers elsewhere.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

OpenFile = pq.ParquetFile
"""What `opened` gives."""

_DUCKDB_PATTERN = re.compile(r"[*?\[]")
_SPARK_PATTERN = re.compile(r"[\\*?\[\]{}]")


def read(file: Path, *, columns: list[str] | None = None, filters: Any = None) -> pa.Table:
    """The rows of one file.

    Args:
        file: A parquet file.
        columns: Names wanted; None reads all.
        filters: An Arrow expression that the rows satisfy; row groups without any are skipped.

    Raises:
        OSError: There is no such file, or it is a folder.
        pyarrow.ArrowException: It is not parquet, or has no such column.
    """
    # An open file has no path from which Arrow could infer anything.
    with _source(file) as source:
        return pq.read_table(source, columns=columns, filters=filters, partitioning=None)


@contextmanager
def opened(file: Path) -> Iterator[pq.ParquetFile]:
    """One file, open: its schema, its metadata, its row groups.

    Raises:
        OSError: There is no such file, or it is a folder.
        pyarrow.ArrowException: It is not parquet.
    """
    with _source(file) as source:
        yield pq.ParquetFile(source)


def write(table: pa.Table, file: Path, **options: Any) -> None:
    """Write one table; `options` are those of `pyarrow.parquet.write_table`.

    Raises:
        OSError: The folder is missing or full.
    """
    pq.write_table(table, _local(file), **options)


def writer(file: Path, schema: pa.Schema, **options: Any) -> pq.ParquetWriter:
    """A writer of row groups, to be used as a context; `options` as of `ParquetWriter`.

    Raises:
        OSError: The folder is missing or full.
    """
    return pq.ParquetWriter(_local(file), schema, **options)


def scan(*files: Path, options: str = "") -> str:
    """Files as DuckDB reads them, for a FROM clause: every row of the first, then of the next.

    Args:
        files: Parquet files, at least one.
        options: Further named arguments of `read_parquet` in SQL, e.g. `union_by_name = true`.
    """
    paths = ", ".join(_quoted(_duckdb_path(file)) for file in files)
    further = f", {options}" if options else ""
    return f"read_parquet([{paths}], hive_partitioning = false{further})"


def literal(file: Path) -> str:
    """The path of a file of any kind, for a reader of DuckDB's, as an SQL literal."""
    return _quoted(_duckdb_path(file))


def table(engine: Any, file: Path) -> Any:
    """One file as a table expression of an Ibis backend, DuckDB or Spark.

    Raises:
        ValueError: The backend is neither.
    """
    if engine.name == "duckdb":
        return engine.read_parquet(_duckdb_path(file), hive_partitioning=False)
    if engine.name == "pyspark":
        # Looking files up recursively makes Spark infer no columns from folders.
        return engine.read_parquet(_spark_path(file), recursiveFileLookup=True)
    raise ValueError(f"No reader for the engine {engine.name}; DuckDB and Spark have one.")


def _source(file: Path) -> pa.OSFile:
    if file.exists() and not (file.is_file() or file.is_dir()):
        # Nobody may ever write to a pipe; opening it would wait for them.
        raise OSError(f"{file} is a pipe or a device")
    return pa.OSFile(str(file))


def _local(file: Path) -> str:
    # Arrow takes `a:b/c` for an address of the scheme `a`, DuckDB `~/c` for somebody's home.
    return str(file.absolute())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _duckdb_path(file: Path) -> str:
    path = _local(file)
    if not _DUCKDB_PATTERN.search(path):
        return path
    # A pattern that stands for itself alone would do, were it not that DuckDB lists a folder to
    # match it, and fails on any name there, of whatever file, that begins with a backslash.
    return _DUCKDB_PATTERN.sub(r"[\g<0>]", _linked(path))


def _spark_path(file: Path) -> str:
    path = _local(file)
    if ":" in path and _SPARK_PATTERN.search(path):
        return _linked(path)  # a pattern's parts are parsed as addresses
    return _SPARK_PATTERN.sub(r"\\\g<0>", path)


def _linked(path: str) -> str:
    """A symbolic link of a plain name to the file, there until this process ends."""
    link = Path(_links().name) / f"{sha256(path.encode()).hexdigest()[:16]}.parquet"
    with suppress(FileExistsError):
        link.symlink_to(path)
    return str(link)


@cache
def _links() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="colisten-links-")
