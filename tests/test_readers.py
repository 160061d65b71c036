"""Parquet files are opened in one place, `colisten.data.parquet`: found in the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = (
    "benchmarks",
    "cli",
    "colisten",
    "components",
    "feature_repo",
    "monitoring",
    "pipelines",
    "serving",
)
HOME = ROOT / "colisten" / "data" / "parquet.py"
# Exports of any kind, which never are one of our own files.
EXPORTS = ROOT / "colisten" / "importing" / "sources.py"
# It runs in an interpreter that has nothing of ours.
FOREIGN = ROOT / "benchmarks" / "rectools_rival.py"
MODULES = {"pyarrow.parquet", "pyarrow.dataset", "pyarrow.fs"}
CALLS = {
    "ParquetDataset",
    "ParquetFile",
    "ParquetWriter",
    "from_parquet",
    "parquet_scan",
    "read_metadata",
    "read_parquet",
    "read_parquet_dir",
    "read_schema",
    "read_table",
    "scan_parquet",
    "sink_parquet",
    "to_parquet",
    "write_parquet",
}
# DuckDB reads rows of text in the same way, and a quoted file name alone is a scan of it.
SQL = re.compile(
    r"(read_parquet|parquet_scan|read_csv\w*|read_json\w*|read_ndjson\w*)\s*\("
    r"|\b(FROM|JOIN|TO)\s+'[^']*\.parquet'",
    re.IGNORECASE,
)
# Words for a person, not for DuckDB: what to do with a folder of part files.
ADVICE = "COPY (FROM 'table.parquet/**/*.parquet') TO 'one.parquet'"


def readers(source: str) -> list[str]:
    """What opens or writes a parquet file, or has DuckDB do so, and in which line."""
    tree = ast.parse(source)
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    found = []
    for node in ast.walk(tree):
        names: set[str] = set()
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
            names = (names & MODULES) | ({alias.name for alias in node.names} & CALLS)
        elif isinstance(node, ast.Attribute):
            whole = ast.unparse(node)
            names = {node.attr} & CALLS | {whole.replace("pa.", "pyarrow.", 1)} & MODULES
        elif isinstance(node, ast.Name):
            names = {node.id} & CALLS
        elif text := _text(node):
            told = id(node) in documentation or ADVICE in text
            names = set() if told else {match.group() for match in SQL.finditer(text)}
        found += [f"{getattr(node, 'lineno', 0)}: {name}" for name in sorted(names)]
    return found


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) or "x" for value in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_opens_parquet_by_itself(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"{room} is empty"
    found = {
        str(file.relative_to(ROOT)): lines
        for file in files
        if file not in (HOME, EXPORTS, FOREIGN) and (lines := readers(file.read_text()))
    }
    assert not found, "Use colisten.data.parquet, which takes a path for one file"


@pytest.mark.parametrize(
    "source",
    [
        "import pyarrow.parquet as pq",
        "from pyarrow import parquet",
        "from pyarrow.parquet import ParquetFile",
        "def f(p):\n    import pyarrow.dataset as ds",
        "pa.parquet.read_table(p)",
        "pd.read_parquet(p)",
        "frame.to_parquet(p)",
        "engine.read_parquet(p)",
        "connection.sql('SELECT * FROM read_parquet(?)')",
        "connection.sql(f\"FROM read_parquet('{p}')\")",
        "connection.sql(\"SELECT 1 FROM 'a/b.parquet'\")",
        "connection.sql(f\"SELECT 1 FROM '{p}.parquet'\")",
        "connection.sql(\"COPY events TO 'b.parquet'\")",
        "connection.sql('FROM read_csv_auto(?)')",
    ],
)
def test_a_reader_is_found(source: str) -> None:
    assert readers(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""Reads what read_parquet(file) would."""',
        "from colisten.data import parquet\nparquet.read(file)",
        "file = folder / 'items.parquet'",
        "do = \"Write one, e.g. COPY (FROM 'table.parquet/**/*.parquet') TO 'one.parquet' in it.\"",
    ],
)
def test_what_is_no_reader_is_left_alone(source: str) -> None:
    assert not readers(source)
