"""Work in a process of its own that ends itself with SIGKILL at the n-th of its effects.

What counts as an effect is named by where it is looked up: a rename, a sync, a removal, a change of
an index. The process is forked from one that has imported everything and done nothing, so that a
hundred kills cost a hundred forks, not a hundred starts of Python.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

Effects = Mapping[str, tuple[str, ...]]
"""Modules (`os`) or classes (`module:Class`), and the names of their functions that count."""
When = Literal["before", "after"]
_FORKS = multiprocessing.get_context("forkserver")
_AHEAD: list[str] = []


def imported_ahead(module: str) -> None:
    """Have a module, and all that it imports, in what processes are forked from.

    Called when the module is imported: what they are forked from starts with the first of them.
    """
    _AHEAD.append(module)
    _FORKS.set_forkserver_preload(_AHEAD)


def killed(
    stop_at: int,
    effects: Effects,
    counted: Path,
    work: Callable[..., Any],
    *given: Any,
    when: When = "before",
) -> int:
    """Do some work until its n-th effect; an effect may be made of others.

    Args:
        stop_at: Which effect ends the process, from 1; 0 for none.
        effects: What counts.
        counted: A path for the count of a process that gets through.
        work: A function of a module, called with `given`.
        when: Whether the process ends right before that effect or right after it.

    Returns:
        How many effects there were where it got through; 0 where it was killed.
    """
    counted.unlink(missing_ok=True)
    child = _FORKS.Process(
        target=_guarded, args=(stop_at, when, effects, counted, work, *given), daemon=True
    )
    child.start()
    child.join(120)
    if child.exitcode == -signal.SIGKILL:
        assert stop_at, "nobody else kills it"
        return 0
    assert child.exitcode == 0
    return int(counted.read_text())


def _guarded(
    stop_at: int,
    when: When,
    effects: Effects,
    counted: Path,
    work: Callable[..., Any],
    *given: Any,
) -> None:
    count = 0

    def guarded(effect: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            chosen = count == stop_at
            if chosen and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = effect(*arguments, **named)
            if chosen and when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return run

    for place, names in effects.items():
        holder = pkgutil.resolve_name(place)
        for name in names:
            setattr(holder, name, guarded(getattr(holder, name)))
    work(*given)
    counted.write_text(str(count))
