"""What a person sees of a workflow: a line a step; what the steps say goes into a file."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from colisten.errors import PipelineError
from colisten.logs import configure_logs
from colisten.shown import plain_lines
from colisten.steps.cache import Listener, StepEvent
from colisten.terminal import Terminal, styled

_TAIL_LINES = 30


@contextmanager
def shown_steps(out: Path) -> Iterator[Listener]:
    """A listener for the use cases: a spinner for what runs, a line for what ran.

    All goes to standard error; what steps write meanwhile goes to OUT/steps/run.log.

    Args:
        out: Folder that owns the run.

    Raises:
        PipelineError: A step failed; the message names it and ends with its last lines.
    """
    with _standard_error() as stream:
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=Terminal(file=stream),
            transient=True,
            # What steps write is not for the terminal.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with bar:
            steps = _Steps(bar, _StepLog(out / "steps" / "run.log"))
            try:
                yield steps.listen
            except Exception as error:
                if steps.failure is None:
                    raise
                raise steps.failure from error
            finally:
                steps.log.end_step()


class _Steps:
    """Draws events."""

    def __init__(self, bar: Progress, log: _StepLog) -> None:
        self.log = log
        self.failure: PipelineError | None = None
        self._bar = bar
        self._task = bar.add_task("starting", total=None)

    def listen(self, event: StepEvent) -> None:
        """Draw an event, and take what the step writes from its start to its end."""
        name = event.step.replace("_", "-")
        if event.part == "backtest":
            name = f"{name} (backtest)"
        if event.state == "notice":
            self._bar.console.print(Text(f"Notice: {plain_lines(event.text)}"), soft_wrap=True)
        elif event.state == "part":
            self._bar.console.print(f"[{event.text}] {event.part}")
        elif event.state == "started":
            self._bar.update(self._task, description=name)
            self.log.begin_step(name)
        elif event.state == "cached":
            self._bar.console.print(styled(f"  {name:<30} unchanged", "dim"))
        else:
            self._end(name, event)

    def _end(self, name: str, event: StepEvent) -> None:
        mark = ("done", "green")
        if event.state == "failed":
            mark = ("failed", "red")
            # Other trainings go on beside a failed one; the first failure is the one to show.
            self.failure = self.failure or self.log.failure(name)
        self.log.end_step()
        line = Text.assemble(f"  {name:<30} ", mark, f" {event.seconds:6.1f} s")
        self._bar.console.print(line)


class _StepLog:
    """A file that takes what is written to standard output and standard error during a step."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._since = 0
        self._step = ExitStack()

    def begin_step(self, name: str) -> None:
        """Take all output from now on."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._step.enter_context(
            self._path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")
        )
        file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} '{name}'\n")
        self._since = self._path.stat().st_size
        self._step.enter_context(_output_to(file))

    def end_step(self) -> None:
        """Give output back."""
        self._step.close()

    def failure(self, name: str) -> PipelineError:
        """What to tell of the error that is being handled, which ends a step."""
        error = sys.exception()
        with self._path.open(encoding="utf-8", errors="replace") as file:
            file.seek(self._since)
            lines = [line.rstrip() for line in file if line.strip()][-_TAIL_LINES:]
        traceback.print_exception(error)  # into the log
        last = "\n".join((*lines, f"{type(error).__name__}: {error}"))
        return PipelineError(
            f"Step '{name}' failed; its last lines:\n{last}\n",
            f"The whole log is {self._path}; run again to go on from this step.",
        )


@contextmanager
def _standard_error() -> Iterator[TextIO]:
    """Standard error as it is now, whatever becomes of it during a step."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (OSError, io.UnsupportedOperation):  # it is no file
        yield sys.stderr
        return
    encoding = sys.stderr.encoding
    with os.fdopen(descriptor, "w", encoding=encoding, errors="backslashreplace") as stream:
        yield stream


@contextmanager
def _output_to(file: TextIO) -> Iterator[None]:
    """Send output to a file, that of compiled code too."""
    with ExitStack() as stack:
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            stream.flush()
            former = os.dup(number)
            stack.callback(os.close, former)
            stack.callback(os.dup2, former, number)
            os.dup2(file.fileno(), number)
        stack.callback(configure_logs)  # a terminal has another look than a file
        stack.enter_context(contextlib.redirect_stdout(file))
        stack.enter_context(contextlib.redirect_stderr(file))
        configure_logs()
        yield
