"""Python's search for garbage in cycles: made rarely, and not among what was loaded and stays.

What our libraries load is a million objects. By default they are looked through again and again
while more are made, which is a fifth of the time that imports take, and in whole after every step
of a run, which took a quarter of a small one.
"""

from __future__ import annotations

import gc
import sys

# Most objects go with the last name of them; cycles are few.
_OBJECTS, _YOUNG, _ALL = 50_000, 20, 100
_MANY_MODULES = 100


class _Process:
    """Whether this process is ours to say how it is searched, and what was loaded when it was."""

    ours = False
    modules = 0


def search_rarely() -> None:
    """For the beginning of a process of ours; in that of whoever uses the library it is theirs."""
    _Process.ours = True
    gc.set_threshold(_OBJECTS, _YOUNG, _ALL)


def search() -> None:
    """Look through everything now, and leave what is loaded by then out from then on."""
    gc.collect()
    if _Process.ours and _much_loaded():
        _Process.modules = len(sys.modules)
        gc.freeze()


def set_aside() -> None:
    """Search where much was loaded since the last time."""
    if _much_loaded():
        search()


def _much_loaded() -> bool:
    return len(sys.modules) > _Process.modules + _MANY_MODULES
