"""Running a pipeline on this machine through kfp's own local runner.

Steps run as subprocesses of this environment and hand over typed artifacts under `root`. A step
whose component and inputs have not changed is taken from the cache, so a run that was killed
goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import logging
import os
import re
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from kfp import local
from kfp.local import subprocess_task_handler

from colisten.child import supervised
from colisten.errors import PipelineError
from colisten.files import sweep_partials
from colisten.keeper import GRACE_SECONDS
from colisten.pipelines.step_containers import StepContainers
from colisten.shown import plain
from colisten.steps.cache import StepEvent

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_STARTED = re.compile(r"Executing task '?([\w-]+)'?")
_FINISHED = re.compile(r"Task '?([\w-]+)'? finished with status '?(\w+)'?")
_CACHED = re.compile(r"Task '?([\w-]+)'? cache hit")
# Before every line that a step writes, so that none passes for one of the runner's.
_STEPS_OWN = "  "
_MOMENT = re.compile(r"(-\d+)+$")
_TAIL_LINES = 30
_DAY_SECONDS = 24 * 3600.0
_PLACEHOLDER = "{{$"


class _RunLog(io.TextIOBase):
    """Takes the runner's standard output: keeps it in a file and reads the steps out of it."""

    def __init__(self, file: Path, listen: Callable[[StepEvent], None]) -> None:
        super().__init__()
        self._file = file.open("a", buffering=1, encoding="utf-8")
        self._listen = listen
        self._line = ""
        self._since = time.monotonic()
        self.failed: str | None = None
        self.tail: list[str] = []

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._file.write(text)
        self._line += text
        *lines, self._line = self._line.split("\n")
        for line in lines:
            self._read(_ANSI.sub("", line))
        return len(text)

    def flush(self) -> None:
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        self._file.close()
        super().close()

    def _read(self, line: str) -> None:
        if line.startswith(_STEPS_OWN):
            self._keep(line)
        elif started := _STARTED.search(line):
            self._since = time.monotonic()
            # Other trials go on beside a failed one; its last lines are the ones to show.
            if self.failed is None:
                self.tail = []
            self._listen(StepEvent(started[1], "started", 0.0))
        elif cached := _CACHED.search(line):
            self._listen(StepEvent(cached[1], "cached", 0.0))
        elif finished := _FINISHED.search(line):
            seconds = time.monotonic() - self._since
            failed = finished[2] != "SUCCESS"
            if failed and self.failed is None:
                self.failed = finished[1]
            self._listen(StepEvent(finished[1], "failed" if failed else "done", seconds))
        else:
            self._keep(line)

    def _keep(self, line: str) -> None:
        if self.failed is None and line.strip():
            self.tail = [*self.tail[-_TAIL_LINES:], line.rstrip()]


def run_local(
    pipeline: Callable[..., Any],
    arguments: dict[str, Any],
    *,
    root: Path,
    use_cache: bool = True,
    keep_days: int | None = None,
    containers: StepContainers | None = None,
    listen: Callable[[StepEvent], None] = lambda event: None,
) -> dict[str, Any]:
    """Run a compiled pipeline function to its end on this machine.

    Args:
        pipeline: A function decorated with `dsl.pipeline`.
        arguments: Its parameters.
        root: Folder for artifacts, the cache and `run.log`.
        use_cache: Take unchanged steps from earlier runs under the same root.
        keep_days: Days after which finished steps of earlier runs no longer count; None: never.
        containers: How each step is run in its image; None runs it as a process of this
            environment.
        listen: Called at every change of a step.

    Returns:
        What the pipeline puts out, by name: artifacts (their `path` lies under `root`, and stays
        as long as the step is cached or the run is this pipeline's newest) and parameters.

    Raises:
        PipelineError: A step failed (the message names it and ends with its last lines), another
            run holds `root`, or a value would be taken for one of kfp's placeholders.
    """
    for name, value in {**arguments, "root": root}.items():
        if _PLACEHOLDER in str(value):
            raise PipelineError(
                f"{name} is {value}: Kubeflow Pipelines takes {_PLACEHOLDER} for a placeholder.",
                "Call the folder or the value something else.",
            )
    root.mkdir(parents=True, exist_ok=True)
    with _only_runner(root) as lock:
        _expire(root / "cache", keep_days)
        log = _RunLog(root / "run.log", listen)
        local.init(
            runner=containers.runner() if containers else local.SubprocessRunner(use_venv=False),
            pipeline_root=str(root / "runs"),
            workspace_root=str(root / "workspace"),
            enable_caching=use_cache,
            cache_root=str(root / "cache"),
        )
        try:
            with (
                contextlib.redirect_stdout(log),
                containers.started(pipeline, root, _STEPS_OWN) if containers else _kept_steps(lock),
                _cache_hits_to(log),
                warnings.catch_warnings(),
            ):
                # The runner warns that resource requests mean nothing here; we know.
                warnings.simplefilter("ignore")
                outputs = dict(pipeline(**arguments).outputs)
        except RuntimeError as error:
            lines = "\n".join(log.tail)
            raise PipelineError(
                f"Step '{log.failed or 'unknown'}' failed; its last lines:\n{lines}\n",
                f"The whole log is {root / 'run.log'}; run again to go on from this step.",
            ) from error
        finally:
            log.close()
        _sweep(root)
    return outputs


@contextlib.contextmanager
def _cache_hits_to(log: _RunLog) -> Iterator[None]:
    """The runner tells a cache hit to the root logger alone; let the log have it too."""
    root = logging.getLogger()
    handler = logging.StreamHandler(log)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@contextlib.contextmanager
def _kept_steps(lock: int) -> Iterator[None]:
    """Let steps end with this process; the runner would leave them computing for nobody.

    Args:
        lock: A step's keeper holds it too, so that no run begins while a step of a killed one is
            still ending.
    """

    def step(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
        with supervised(
            full_command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=1,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **(env_vars or {})},
            pass_fds=(lock,),
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(f"{_STEPS_OWN}{plain(line.rstrip())}")
            print("\n")
            return process.wait()

    former = subprocess_task_handler.run_local_subprocess
    subprocess_task_handler.run_local_subprocess = step
    try:
        yield
    finally:
        subprocess_task_handler.run_local_subprocess = former


@contextlib.contextmanager
def _only_runner(root: Path) -> Iterator[int]:
    """Hold the folder's lock; yields its descriptor."""
    with (root / ".lock").open("a+") as lock:
        deadline = time.monotonic() + 2 * GRACE_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                # A killed run's step may take a moment to end.
                if _holder_lives(lock) or time.monotonic() > deadline:
                    raise PipelineError(
                        f"Another run is working in {root}.", "Wait for it, or use another --out."
                    ) from error
                time.sleep(0.1)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock.fileno()


def _holder_lives(lock: TextIO) -> bool:
    """Whether the process that last took the lock is there; True where it did not say."""
    lock.seek(0)
    pid = lock.read()
    if not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _expire(cache: Path, keep_days: int | None) -> None:
    """Forget steps that were finished too long ago; what they left is swept with the run's end."""
    if keep_days is None:
        return
    oldest = time.time() - keep_days * _DAY_SECONDS
    for entry in cache.glob("*.json"):
        if entry.stat().st_mtime < oldest:
            entry.unlink()


def _sweep(root: Path) -> None:
    """Remove artifact folders of runs that no cache entry refers to any more."""
    sweep_partials(root)
    runs = root / "runs"
    if not runs.is_dir():
        return
    # A run is named after its pipeline and the moment it began.
    newest: dict[str, str] = {}
    for name in sorted(path.name for path in runs.iterdir() if path.is_dir()):
        newest[_MOMENT.sub("", name)] = name
    entries = "".join(path.read_text() for path in (root / "cache").glob("*.json"))
    for run in runs.iterdir():
        if run.is_dir() and run.name not in newest.values() and f"/{run.name}/" not in entries:
            shutil.rmtree(run, ignore_errors=True)
