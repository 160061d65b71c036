"""Processes of ours end with the one that started them, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colisten import keeper
from colisten.child import supervised
from tests.conftest import heeding_signals

# Starts a child, a grandchild whose parent is gone, one in a session of its own that ignores
# SIGTERM, and tells that all are there. `MARK` in their arguments is how the test finds them.
FAMILY = """
import os, signal, subprocess, sys, time
mark = sys.argv[1]
sleep = [sys.executable, '-c', 'import time; time.sleep(600)', mark]
subprocess.Popen(sleep)
ignore = "import signal, time; signal.signal(15, signal.SIG_IGN)"
stubborn = ignore + "; print(1, flush=True); time.sleep(600)"
first = subprocess.Popen([sys.executable, '-c', stubborn, mark], start_new_session=True,
                         stdout=subprocess.PIPE)
first.stdout.readline()
orphan = 'import subprocess, sys; subprocess.Popen(sys.argv[1:], start_new_session=True)'
subprocess.run([sys.executable, '-c', orphan, *sleep])
print('ready', flush=True)
time.sleep(600)
"""
PARENT = """
import sys, time
from colisten import keeper
from colisten.child import supervised
keeper.__file__ = sys.argv[3]
with supervised([sys.executable, '-c', sys.argv[1], sys.argv[2]]):
    time.sleep(600)
"""


def family(mark: str) -> list[int]:
    """Processes that have `mark` among their arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def gone(mark: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not family(mark):
            return True
        time.sleep(0.05)
    return not family(mark)


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The keeper's own program with half a second for those that ignore SIGTERM."""
    source = Path(keeper.__file__).read_text()
    assert "GRACE_SECONDS = 10.0" in source
    quick = tmp_path / "keeper.py"
    quick.write_text(source.replace("GRACE_SECONDS = 10.0", "GRACE_SECONDS = 0.5"))
    monkeypatch.setattr(keeper, "__file__", str(quick))
    return quick


@needs_proc
@pytest.mark.usefixtures("quick")
def test_all_descendants_end_with_the_block(tmp_path: Path) -> None:
    mark = str(tmp_path)
    command = [sys.executable, "-c", FAMILY, f"{mark}/family"]
    with supervised(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert len(family(f"{mark}/family")) >= 4
    assert not family(f"{mark}/family")


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_all_descendants_end_with_the_parent(
    tmp_path: Path, quick: Path, number: signal.Signals
) -> None:
    mark = f"{tmp_path}/family"
    with (tmp_path / "log").open("w") as log:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, FAMILY, mark, quick],
            stdout=log,
            preexec_fn=heeding_signals,
        )
        deadline = time.monotonic() + 30
        while (tmp_path / "log").read_text() != "ready\n":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(parent.pid, number)
        parent.wait()
    assert gone(mark, 15), family(mark)


@needs_proc
def test_a_killed_keeper_leaves_nobody_in_its_group(tmp_path: Path) -> None:
    mark = f"{tmp_path}/sleeper"
    command = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(600)", mark]
    with supervised(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert gone(mark, 5)


@pytest.mark.parametrize(
    ("program", "code"),
    [("pass", 0), ("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)],
)
def test_the_exit_code_is_the_commands(program: str, code: int) -> None:
    with supervised([sys.executable, "-c", program]) as process:
        assert process.wait(30) == code
