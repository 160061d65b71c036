"""`colisten run` on the tiny tables, as several rooms ask for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests import planted
from tests.ahead import Ahead, Made
from tests.calls import recording
from tests.conftest import CUT
from tests.demos import demo_command
from tests.key_pairs import pair

WINDOW_DAYS = 30
# Baselines are tuned for longer than all else takes; `test_notebook` has a run with them.
QUICK = (
    "hgnn.max_steps=20",
    "hgnn.batch_size=64",
    "towers.epochs=2",
    "towers.min_steps=0",
    "towers.batch_size=64",
    "evaluation.bootstrap=200",
    "evaluation.baselines=false",
)


CALLS = "calls"
"""Beside what `small_demo` left: whom it called (`tests/calls.py`)."""

LIBRARY = """
import sys, torch, colisten
from colisten.settings.tree import load_settings
data, cut, out, days, *settings = sys.argv[1:]
colisten.run(data, cut, out, load_settings(None, tuple(settings)), window_days=int(days))
"""


def begun(name: str, beside: Ahead, data: Path, folder: Path) -> Made:
    """Have made in an empty folder what a fixture of that name gives; see `tests/conftest.py`."""
    out = folder / "out"
    if name == "images":
        return out, beside.start([sys.executable, "-m", "supply", "images", "--out", str(out)])
    if name == "small_demo":
        noted = recording(folder / CALLS)
        return folder / "it's", beside.start(demo_command(folder / "it's"), **noted)
    if name == "finished":
        awkward = folder / "signal=preview" / "[d]"
        shutil.copytree(data, awkward)
        out = folder / "item_type=podcast" / "a [b] 'q' #%41 ü"
        return out, beside.start(command(awkward, out))
    # How many threads compute is the settings' to say: two, which is what `finished` takes.
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if name == "piped":
        private, public = pair(folder, "release")
        said = (planted.REDIS, private, public)
        names = ("features.redis", "release.signing_key", "release.public_key")
        pairs = zip(names, said, strict=True)
        named = [part for name, value in pairs for part in ("--set", f"{name}={value}")]
        by_kubeflow = command(data, out, *named, door=("pipeline", "run"))
        return out, beside.start(by_kubeflow, **one_thread)
    place = (str(data), CUT.date().isoformat(), str(out), str(WINDOW_DAYS))
    return out, beside.start([sys.executable, "-c", LIBRARY, *place, *QUICK], **one_thread)


def command(data: Path, out: Path, *extra: str, door: tuple[str, ...] = ("run",)) -> list[str]:
    """The command line of a run, or of another door that takes the same options."""
    options = [part for setting in QUICK for part in ("--set", setting)]
    return [
        sys.executable,
        "-m",
        "colisten",
        *door,
        "--data",
        str(data),
        "--cut",
        CUT.date().isoformat(),
        "--window-days",
        str(WINDOW_DAYS),
        "--out",
        str(out),
        *options,
        *extra,
    ]


def run(data: Path, out: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    """A run as a process of its own, to its end."""
    return subprocess.run(
        command(data, out, *extra), capture_output=True, text=True, timeout=600, check=False
    )
