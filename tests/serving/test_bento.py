"""The Bento holds a service that starts: what it needs of us is in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_service_is_imported_from_the_bento_alone(tmp_path: Path) -> None:
    sources = tmp_path / "checkout"
    for room in ("colisten", "serving"):
        shutil.copytree(
            ROOT / room,
            sources / room,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    home = tmp_path / "bentoml"
    built = subprocess.run(
        [Path(sys.executable).parent / "bentoml", "build", "-f", "serving/bentofile.yaml", "."],
        cwd=sources,
        env={**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-2000:]
    (source,) = home.glob("bentos/colisten/*/src")
    code = (
        "import colisten, colisten.serving.service as service\n"
        "print(service.__file__, service.Colisten.name)"
    )
    environment = {**os.environ, "PYTHONPATH": str(source), "COLISTEN_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[0] == str(source / "serving" / "service.py")
