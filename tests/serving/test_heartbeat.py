"""A worker that does not go on is ended; one that does is left alone, whatever happens to time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from colisten.serving.heartbeat import watched
from tests.serving.conftest import Home, start, stop
from tests.serving.test_service import soon

BEATING = """
import asyncio, sys, time
from pathlib import Path
from colisten.serving.heartbeat import Heartbeat

async def main():
    beats = Heartbeat(Path(sys.argv[1]))
    print("beats", flush=True)
    await asyncio.sleep(float(sys.argv[2]))
    time.sleep(60)  # the loop does not turn

asyncio.run(main())
"""


def beating(folder: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BEATING, str(folder), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "beats\n"
    return process


def test_who_hangs_is_ended_and_who_goes_on_is_not(tmp_path: Path) -> None:
    with watched(tmp_path, 3.0):
        well, stuck, stopped = (beating(tmp_path, seconds) for seconds in (60, 0.5, 60))
        try:
            stopped.send_signal(signal.SIGSTOP)
            for each in (stuck, stopped):
                assert each.wait(20) == -signal.SIGKILL
            assert well.poll() is None
            assert soon(lambda: len([*tmp_path.iterdir()]) == 1, 5), "the dead leave nothing"
        finally:
            for each in (well, stuck, stopped):
                each.kill()
                each.wait()


def test_a_file_of_nobody_harms_nobody(tmp_path: Path) -> None:
    """Another process has the id by now."""
    (tmp_path / str(os.getpid())).write_bytes(b"\0" * 8)
    (tmp_path / "1").write_bytes(b"")
    with watched(tmp_path, 2.5):
        assert soon(lambda: not [*tmp_path.iterdir()], 8)


@pytest.mark.slow
def test_a_worker_that_is_stopped_is_replaced_while_others_answer(
    home: Home, tmp_path: Path
) -> None:
    service = start(home, tmp_path / "log", "serving.hang_seconds=3", workers=2)
    try:

        def workers() -> list[psutil.Process]:
            below = psutil.Process(service.process.pid).children()
            return [each for each in below if "--worker-id" in each.cmdline()]

        first, second = workers()
        first.suspend()
        for _ in range(20):
            # A connection of its own each, which the stopped one does not take.
            assert service.post("/v1/recommend", user_id="u0001").status_code == 200
        assert soon(lambda: not first.is_running(), 20)
        assert soon(lambda: len(workers()) == 2, 60)
        assert second in workers()
        assert service.get("/readyz").status_code == 200
        assert "worker_hung" in service.log.read_text()
    finally:
        stop(service)
