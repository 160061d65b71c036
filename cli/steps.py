"""What a person sees of a pipeline that runs on this machine: a line a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from colisten.steps.cache import StepEvent
from colisten.terminal import Terminal, said

# The first step of every trial.
_FIRST = "build-graph"


@contextmanager
def shown_steps(
    console: Terminal, trials: Sequence[str] = ()
) -> Iterator[Callable[[StepEvent], None]]:
    """A listener for `colisten.pipelines.local.run_local`: a spinner for what runs, a line for what ran.

    Args:
        console: Where to.
        trials: Titles of the trials in their order, each a heading over its own steps.
    """
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("starting", total=None)
        begun = 0

        def listen(event: StepEvent) -> None:
            nonlocal begun
            if trials and event.step.startswith(_FIRST) and event.state in ("started", "cached"):
                begun += 1
                console.print(f"[{begun}/{len(trials)}] {trials[begun - 1]}")
            if event.state == "started":
                bar.update(task, description=event.step)
            elif event.state == "cached":
                console.print(said(f"  {event.step:<28} unchanged", "dim"))
            else:
                mark = ("done", "green") if event.state == "done" else ("failed", "red")
                line = Text.assemble(f"  {event.step:<28} ", mark, f" {event.seconds:6.1f} s")
                console.print(line)

        yield listen
