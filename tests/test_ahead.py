"""Commands beside the tests: one after the other, as of the beginning, and none of them stays."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from tests.ahead import ROOT, Ahead
from tests.test_child import gone

SAID = "import os, sys; print(os.getcwd(), os.environ.get('SAID'), os.environ.get('ASKED'))"


@pytest.fixture
def beside() -> Iterator[Ahead]:
    made = Ahead()
    yield made
    made.end()


def test_a_command_starts_as_of_the_beginning(
    beside: Ahead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAID", "meanwhile")
    done = beside.start([sys.executable, "-c", SAID], ASKED="yes").result()
    assert (done.returncode, done.stdout) == (0, f"{ROOT} None yes\n")


def test_one_comes_after_the_other_and_a_failure_is_told(beside: Ahead, tmp_path: Path) -> None:
    file = tmp_path / "file"
    first = f"import pathlib, time; time.sleep(0.5); pathlib.Path({str(file)!r}).write_text('x')"
    second = f"import pathlib, sys; sys.exit(pathlib.Path({str(file)!r}).read_text() + 'y')"
    ends = [beside.start([sys.executable, "-c", each]) for each in (first, second)]
    assert [each.result().returncode for each in ends] == [0, 1]
    assert ends[1].result().stderr == "xy\n"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
def test_the_end_ends_what_runs_and_begins_nothing_more(beside: Ahead, tmp_path: Path) -> None:
    mark = str(tmp_path)
    inner = "import sys, time; open(sys.argv[1] + '/up', 'w'); time.sleep(600)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}, {mark!r}])"
    running = beside.start([sys.executable, "-c", outer])
    waiting = beside.start([sys.executable, "-c", inner, mark])
    while not (tmp_path / "up").exists():
        time.sleep(0.02)
    beside.end()
    assert running.result().returncode < 0
    with pytest.raises(CancelledError):
        waiting.result()
    assert gone(mark, 15)
