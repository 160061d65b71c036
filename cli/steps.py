"""What a person sees of a workflow: which step of how many; what they say goes into a file."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from colisten.cli.ending import going_on
from colisten.errors import PipelineError
from colisten.logs import configure_logs
from colisten.progress import Progressed, watched
from colisten.shown import plain_lines
from colisten.steps.cache import Listener, StepEvent
from colisten.steps.plan import Place, Plan, titled
from colisten.steps.use_cases.preflight import words_of
from colisten.terminal import Terminal, styled

_TAIL_LINES = 30
_SECOND_CALL = re.compile(r"-\d+$")


@contextmanager
def shown_steps(out: Path) -> Iterator[Listener]:
    """A listener for the use cases: what runs and how far it is, and a line for what ran.

    All goes to standard error; what steps write meanwhile goes to OUT/steps/run.log. Where
    standard error is no terminal only the lines appear.

    Args:
        out: Folder that owns the run.

    Raises:
        PipelineError: A step failed; the message names it and ends with its last lines.
    """
    with _standard_error() as stream, going_on(), _live(stream) as bar:
        steps = Steps(bar, _StepLog(out / "steps" / "run.log"))
        try:
            with watched(steps.watch):
                yield steps.listen
        except Exception as error:
            if steps.failure is None:
                raise
            raise steps.failure from error
        finally:
            steps.log.end_step()


def _live(stream: TextIO) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        console=Terminal(file=stream),
        transient=True,
        # What steps write is not for the terminal.
        redirect_stdout=False,
        redirect_stderr=False,
    )


class Steps:
    """Draws events: which step of how many, the time left, and the loop inside it.

    Args:
        bar: Where to draw.
        log: Takes what a step writes.
    """

    def __init__(self, bar: Progress, log: _StepLog) -> None:
        self.log = log
        self.failure: PipelineError | None = None
        self._bar = bar
        self._step = bar.add_task("starting", total=None, note="")
        self._loop = bar.add_task("", total=None, note="", visible=False)

    def listen(self, event: StepEvent) -> None:
        """Draw an event, and take what the step writes from its start to its end."""
        show = self._bar.console.print
        if event.state == "preflight":
            show(Text(plain_lines(event.text)))
        elif event.state == "notice":
            show(Text(f"Notice: {plain_lines(event.text)}"), soft_wrap=True)
        elif event.state == "part":
            show(f"[{event.text}] {event.part}")
        elif event.state == "started":
            place = event.place or Place(titled(event.step))
            self._bar.update(self._step, description=_heading(place), note=_left(place))
            self._bar.update(self._loop, visible=False)
            self.log.begin_step(_logged(event))
        elif event.state == "cached":
            show(styled(f"{step_name(event)} unchanged", "dim"))
        else:
            self._end(event)

    def watch(self, progress: Progressed) -> None:
        """Draw how far a loop inside the step is."""
        of = "" if progress.total is None else f" of {progress.total:,}"
        self._bar.update(
            self._loop,
            description=f"  {progress.label}",
            completed=progress.done,
            total=progress.total,
            note=f"{progress.done:,}{of} {progress.note}".rstrip(),
            visible=True,
        )

    def _end(self, event: StepEvent) -> None:
        mark = ("done", "green")
        if event.state == "failed":
            mark = ("failed", "red")
            # Other trainings go on beside a failed one; the first failure is the one to show.
            self.failure = self.failure or self.log.failure(_logged(event))
        self.log.end_step()
        self._bar.update(self._loop, visible=False)
        line = Text.assemble(f"{step_name(event)} ", mark, f" {event.seconds:6.1f} s")
        self._bar.console.print(line)


def drawn_lines(console: Terminal, plan: Plan) -> Listener:
    """A listener that draws a line as a step begins and as it ends, without bars.

    For a runner of another process, which knows a step by its name alone.

    Args:
        console: Where to draw.
        plan: What the run will come to.
    """
    places: dict[str, Place] = {}

    def listen(event: StepEvent) -> None:
        if event.state == "preflight":
            console.print(Text(plain_lines(event.text)))
            return
        if event.state == "notice":
            console.print(Text(f"Notice: {plain_lines(event.text)}"), soft_wrap=True)
            return
        if event.step not in places:
            # A second call of the same component is called `train-hgnn-2`.
            step = _SECOND_CALL.sub("", event.step).replace("-", "_")
            places[event.step] = plan.arrive(step)
        numbered = replace(event, place=places[event.step])
        if event.state != "started":
            del places[event.step]
        seconds = f" {event.seconds:6.1f} s" if event.state in ("done", "failed") else ""
        console.print(f"{step_name(numbered)} {event.state}{seconds}")

    return listen


def step_name(event: StepEvent) -> str:
    """A step's place in the run and what a person calls it, as a column."""
    place = event.place or Place(titled(event.step))
    number = f"{place.number:>3}/{place.total}" if place.total else " "
    return f"{number} {place.title:<34}"


def _heading(place: Place) -> str:
    return f"step {place.number} of {place.total}, {place.title}" if place.total else place.title


def _left(place: Place) -> str:
    return "" if place.seconds_left is None else f"about {words_of(place.seconds_left)} left"


def _logged(event: StepEvent) -> str:
    name = event.step.replace("_", "-")
    return f"{name} (backtest)" if event.part == "backtest" else name


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
