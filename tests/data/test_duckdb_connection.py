"""DuckDB loads and fetches nothing by itself, whoever opens it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pytest

from colisten.data.duckdb_connection import connect, default_ibis_backend, ibis_backend

ASKED = """
SELECT name, value FROM duckdb_settings()
WHERE name IN ('autoinstall_known_extensions', 'autoload_known_extensions')
"""


@pytest.mark.parametrize("opened", [connect, lambda: ibis_backend(threads=1).con])
def test_extensions_are_off(opened: Callable[[], Any]) -> None:
    with opened() as connection:
        assert {value for _, value in connection.execute(ASKED).fetchall()} == {"false"}


def test_the_default_of_ibis_loads_none() -> None:
    ibis.options.default_backend = None
    assert default_ibis_backend() is ibis.get_backend()
    rows = ibis.get_backend().con.execute(ASKED).fetchall()
    assert {value for _, value in rows} == {"false"}
    ibis.options.default_backend = None


def test_what_needs_an_extension_is_an_error_and_no_download(tmp_path: Path) -> None:
    with connect(tmp_path / "rows.duckdb", threads=1) as connection:
        assert connection.execute("SELECT current_setting('threads')").fetchone() == (1,)
        connection.execute(f"SET extension_directory = '{tmp_path}/extensions'")
        with pytest.raises(duckdb.Error):
            connection.execute("SELECT * FROM read_csv('https://192.0.2.1/rows.csv')")
    assert not (tmp_path / "extensions").exists()
