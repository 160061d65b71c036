"""A command that is told to end, at whatever moment of its life and by whatever way it takes it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from colisten.cli.ending import ENDS
from tests.conftest import heeding_signals

ROOT = Path(__file__).parents[2]
CODES = {number: {128 + number, -number} for number in ENDS}


def started(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=heeding_signals,
        **options,
    )


def scripted(body: str) -> subprocess.Popen[str]:
    """A process that handles signals as a command does, and then does something."""
    head = (
        "import os, signal, sys, time\nfrom colisten.cli import ending\nending.end_on_signals()\n"
    )
    return started("-c", head + body)


def _begin(pid: int) -> None:
    """Wait until Python has handlers of its own, and then until the command took them away."""
    for wanted in (True, False):
        deadline = time.monotonic() + 20
        while _handles_interrupts(pid) is not wanted:
            assert time.monotonic() < deadline
            time.sleep(0.001)


def _handles_interrupts(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    [caught] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (signal.SIGINT - 1) & 1)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_at_any_moment_of_the_start(tmp_path: Path, number: signal.Signals) -> None:
    for tenths in range(0, 24, 3):
        running = started(
            # So large a world is not done before the last of the moments, on any machine.
            *("-m", "colisten", "simulate", "--users", "50000", "--days", "120"),
            *("--out", str(tmp_path / "world")),
        )
        _begin(running.pid)
        time.sleep(tenths / 10)
        for _ in range(3):
            running.send_signal(number)
            time.sleep(0.01)
        _, errors = running.communicate(timeout=60)
        assert running.returncode in CODES[number], (tenths, errors)
        assert errors in ("", f"colisten: ended by {number.name}\n"), (tenths, errors)
        assert not list(tmp_path.iterdir())


def test_an_import_is_finished_first(tmp_path: Path) -> None:
    """A library that is half set up would take the signal for a failure of its own."""
    (tmp_path / "slow_to_import.py").write_text(
        "import os, signal, time\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "try:\n"
        "    time.sleep(0.5)\n"
        "except BaseException:\n"
        "    print('caught')\n"
    )
    running = scripted(
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import slow_to_import\n"
        "print('imported', flush=True)\n"
        "try:\n"
        "    time.sleep(30)\n"
        "except ending.Ended as ended:\n"
        "    sys.exit(ended.exit_code)\n"
    )
    said, errors = running.communicate(timeout=20)
    assert (said, running.returncode) == ("imported\n", 143), errors


def test_a_library_that_made_a_failure_of_it() -> None:
    """DuckDB, for one, breaks its query off with an error of its own."""
    running = scripted(
        "from colisten.cli import app\n"
        "def query() -> None:\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except BaseException:\n"
        "        raise RuntimeError('Query interrupted')\n"
        "made = app.program()\n"
        "made.command('query')(query)\n"
        "app.program = lambda only: made\n"
        "try:\n"
        "    sys.exit(app.answer(['query']))\n"
        "except ending.Ended as ended:\n"
        "    sys.exit(ended.exit_code)\n"
    )
    _, errors = running.communicate(timeout=30)
    assert (running.returncode, errors) == (143, "")


LONG = "SELECT sum(a.i * b.i % 7) FROM range(1000000) a(i), range(1000000) b(i)"


def ended(running: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process says from its second line on, once it is told to end."""
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        time.sleep(0.5)
        running.send_signal(signal.SIGTERM)
        return running.communicate(timeout=15)
    finally:
        running.kill()


def test_a_query_is_broken_off() -> None:
    running = scripted(
        "import duckdb\n"
        "from colisten.interrupts import interruptible\n"
        "print('begun', flush=True)\n"
        f"try:\n    interruptible(duckdb.connect()).execute('{LONG}')\n"
        "except Exception:\n    ending.raise_if_asked()\n"
    )
    _, errors = ended(running)
    assert errors.splitlines()[-1].endswith("Ended: ended by SIGTERM")


@pytest.mark.parametrize(
    "body",
    [
        "import hashlib\nprint('begun', flush=True)\n"
        "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)",
        "print('begun', flush=True)\ntry:\n    time.sleep(60)\nexcept BaseException:\n"
        "    time.sleep(60)",
    ],
    ids=["compiled code that does not ask", "somebody who caught it and went on"],
)
def test_whoever_does_not_end_in_time_is_ended(body: str) -> None:
    running = scripted(f"ending.PATIENCE_SECONDS = 1.0\n{body}\nprint('still there')\n")
    assert ended(running) == ("", "colisten: ended by SIGTERM\n")
    assert running.returncode == 143


def test_a_service_that_took_the_signals_over_goes_on() -> None:
    running = scripted(
        "ending.PATIENCE_SECONDS = 0.2\n"
        "signal.signal(signal.SIGHUP, lambda number, frame: None)\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "time.sleep(1)\n"
        "print('still there')\n"
    )
    assert running.communicate(timeout=15) == ("still there\n", "")


def test_every_connection_can_be_broken_off() -> None:
    found = [
        (file.relative_to(ROOT), line.strip())
        for room in ("cli", "colisten", "monitoring", "serving")
        for file in (ROOT / room).rglob("*.py")
        for before, line in pairwise(file.read_text().splitlines())
        if re.search(r"(?<!ibis\.)duckdb\.connect\(", line)
        and "interruptible(" not in before + line
    ]
    assert not found, "Open them with colisten.interrupts.interruptible"


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_harm_nothing(tmp_path: Path, closed: str) -> None:
    """Cron jobs and services are started without; the next file opened would take their place."""
    command = f"{sys.executable} -m colisten check --data {tmp_path} --json {closed}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == ""
    assert done.stdout.startswith("{") is ("1>" not in closed)
