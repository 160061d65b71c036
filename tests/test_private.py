"""What a run leaves is readable by nobody but who made it; who imports colisten is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CODE = """
import os, sys
sys.argv = ["colisten", "settings", "--json"]
before = os.umask(0); os.umask(before)
import colisten.cli.main
try:
    colisten.cli.main.main()
except SystemExit:
    pass
print(oct(before), oct(os.umask(0)), file=sys.stderr)
"""


@pytest.mark.parametrize(("told", "mask"), [(None, "0o77"), ("027", "0o27"), ("", "0o77")])
def test_a_command_writes_privately(told: str | None, mask: str) -> None:
    environment = {**os.environ, **({} if told is None else {"COLISTEN_UMASK": told})}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        umask=0o022,
    )
    assert done.stderr.splitlines()[-1] == f"0o22 {mask}"


def test_to_import_it_changes_nothing() -> None:
    code = "import os; os.umask(0o022); import colisten; print(oct(os.umask(0)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0o22"


@pytest.mark.slow
def test_nobody_else_reads_what_a_demo_leaves(small_demo: tuple[Path, dict[str, Any]]) -> None:
    out = small_demo[0]
    found = [file for file in (out, *out.rglob("*")) if not file.is_symlink()]
    assert len(found) > 100
    assert [file for file in found if file.stat().st_mode & 0o077] == []
