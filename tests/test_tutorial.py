"""docs/tutorial.md: every block as printed, in its order, from nothing to a shelf."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from colisten.data import parquet

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs/tutorial.md").read_text(), flags=re.DOTALL)


def of(kind: str) -> list[str]:
    return [text for name, text in BLOCKS if name == kind]


def rows(folder: str, table: str, work: Path) -> list[dict[str, object]]:
    columns = {"interactions": ["user_id", "item_id", "item_type", "signal", "timestamp"]}
    read = parquet.read(
        work / folder / f"{table}.parquet",
        columns=columns.get(table, ["item_id", "item_type", "title", "description", "language"]),
    )
    if "timestamp" in read.column_names:  # pandas writes nanoseconds
        at = read.column_names.index("timestamp")
        moments = read.column(at).cast(pa.timestamp("us", tz="UTC"))
        read = read.set_column(at, "timestamp", moments)
    return sorted(read.to_pylist(), key=str)


@pytest.mark.slow
def test_the_tutorial_runs_as_printed(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COLISTEN_LOG_LEVEL": "warning",
        "COLUMNS": "120",
    }
    programmes = {"python": [sys.executable], "colisten": [sys.executable, "-m", "colisten"]}

    def call(*arguments: str) -> str:
        done = subprocess.run(
            arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def ask(line: str) -> str:
        line, _, target = line.partition(" > ")
        first, *others = shlex.split(line)
        printed = call(*programmes.get(first, [first]), *others)
        if target:
            (tmp_path / target).write_text(printed)
        return printed

    make, by_pandas, shelf = of("python")
    (by_duckdb,) = of("sql")
    (settings,) = of("yaml")
    (tmp_path / "make_export.py").write_text(make)
    (tmp_path / "small.yaml").write_text(settings)
    printed = "".join(ask(line) for block in of("sh") for line in block.splitlines())
    for quoted in of("text"):
        assert quoted in printed
    for folder in ("by-duckdb", "by-pandas"):
        (tmp_path / folder).mkdir()
    for file in ("export.csv", "titles.csv", "by-duckdb/interactions.parquet", "by-duckdb/items"):
        by_duckdb = by_duckdb.replace(f"'{file}", f"'{tmp_path / file}")
    duckdb.connect().execute(by_duckdb)
    call(sys.executable, "-c", by_pandas)
    for folder in ("by-duckdb", "by-pandas"):
        ask(f"colisten check --data {folder}")
        for table in ("items", "interactions"):
            assert rows(folder, table, tmp_path) == rows("tables", table, tmp_path)
    lines = call(sys.executable, "-c", shelf).splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5"]
    assert all("|" in line for line in lines)
