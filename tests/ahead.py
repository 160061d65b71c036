"""Commands that take a minute, run beside the tests until somebody wants what they leave."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests import planted

ROOT = Path(__file__).parents[1]
SECONDS = 1_500

Done = subprocess.CompletedProcess[str]
Made = tuple[Path, Future[Done]]
"""Where a command leaves something, and how it ends."""


class Ahead:
    """One command after the other, on the core that the tests mostly leave idle.

    Whatever tests do to their own process meanwhile, a command starts in the environment and the
    folder of the beginning.
    """

    def __init__(self) -> None:
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **planted.VARIABLES}
        self._pool = ThreadPoolExecutor(1)
        self._running: subprocess.Popen[str] | None = None

    def start(self, command: Sequence[str], **environment: str) -> Future[Done]:
        """Have a command run once those before it have ended."""
        return self._pool.submit(self._run, command, environment)

    def end(self) -> None:
        """End what runs, and whatever it started; begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._running is not None and self._running.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGTERM)
        self._pool.shutdown()

    def _run(self, command: Sequence[str], environment: Mapping[str, str]) -> Done:
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self._environment, **environment},
            cwd=ROOT,
            start_new_session=True,
        ) as self._running:
            try:
                printed, errors = self._running.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._running.pid, signal.SIGKILL)
                raise
        return Done(command, self._running.returncode, printed, errors)
