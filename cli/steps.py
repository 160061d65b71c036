"""What a person sees of a pipeline that runs on this machine: a line a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from colisten.steps.cache import StepEvent
from colisten.terminal import Terminal, said

# Either is the first step of a trial.
_FIRST = ("build-graph", "build-training-rows")


@contextmanager
def shown_steps(
    console: Terminal, trials: Sequence[str] = ()
) -> Iterator[Callable[[StepEvent], None]]:
    """A listener for `run_local`: a spinner for what runs, a line for what ran.

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
        begun = Counter[str]()

        def listen(event: StepEvent) -> None:
            first = next((name for name in _FIRST if event.step.startswith(name)), None)
            if trials and first and event.state in ("started", "cached"):
                begun[first] += 1
                at = begun[first]
                if at == max(begun.values()) > min(begun[name] for name in _FIRST):
                    console.print(f"[{at}/{len(trials)}] {trials[at - 1]}")
            if event.state == "started":
                bar.update(task, description=event.step)
            elif event.state == "cached":
                console.print(said(f"  {event.step:<28} unchanged", "dim"))
            else:
                mark = ("done", "green") if event.state == "done" else ("failed", "red")
                line = Text.assemble(f"  {event.step:<28} ", mark, f" {event.seconds:6.1f} s")
                console.print(line)

        yield listen
