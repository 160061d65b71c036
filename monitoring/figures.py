"""Where a figure is in a report's JSON: the same names for rules of alerts and for Evidently's UI.

A path is the keys on the way, with dots: `columns.age`. A key may hold dots itself. A list's
element goes by what tells it from the others (`lifts.2T new_start_rate.p_value`), or by its
number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Plain = bool | float | str
"""What a rule can compare."""

EACH = "*"
# What names an element of a list, in the order in which it is said.
_NAMES = ("name", "arm", "metric", "rate", "cause", "kind", "of", "column", "surface")
_MOST_DEEP = 12


def found(tree: Any, path: str) -> list[Plain | None] | None:
    """The figures at a path: None where there is no such place, several where `*` stands in it.

    A list is its length, and None in it a figure that is not defined. `*` of an empty list is a
    place all the same, with nothing there.
    """
    places = _walk(tree, path.split("."))
    return None if places is None else [_plain(each) for each in places]


def flat(tree: Any) -> dict[tuple[str, ...], float]:
    """Every number in a report by its path; truth is 1 or 0, and a list its length as well."""
    return dict(_leaves(tree, ()))


def _walk(tree: Any, keys: list[str]) -> list[Any] | None:
    if not keys:
        return [tree]
    named = _children(tree)
    if keys[0] == EACH and isinstance(tree, Mapping | list | tuple):
        below = [_walk(each, keys[1:]) for each in named.values()]
        reached = [each for each in below if each is not None]
        return [one for each in reached for one in each] if reached or not below else None
    # The longest key first: one that holds dots stands before its own beginning.
    for length in range(len(keys), 0, -1):
        key = ".".join(keys[:length])
        if key in named:
            return _walk(named[key], keys[length:])
    return None


def _children(tree: Any) -> dict[str, Any]:
    """What lies in a mapping or a list, by name; nothing in all else."""
    if isinstance(tree, Mapping):
        return {str(key): value for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        names = [_name(each) for each in tree]
        unique = {name for name in names if name is not None and names.count(name) == 1}
        numbered = {str(at): each for at, each in enumerate(tree)}
        if len(unique) == len(tree) and not unique & numbered.keys():
            return dict(zip([str(name) for name in names], tree, strict=True))
        return numbered
    return {}


def _name(element: Any) -> str | None:
    """What an element of a list calls itself."""
    if not isinstance(element, Mapping):
        return None
    said = [element[key] for key in _NAMES if isinstance(element.get(key), str)]
    return " ".join(said) or None


def _plain(value: Any) -> Plain | None:
    if isinstance(value, list | tuple | Mapping):
        return float(len(value))
    if isinstance(value, bool | str) or value is None:
        return value
    return float(value)


def _leaves(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(tree, bool | int | float):
        yield path, float(tree)
        return
    if isinstance(tree, list | tuple) and path:
        yield path, float(len(tree))
    if len(path) < _MOST_DEEP:
        for name, value in _children(tree).items():
            yield from _leaves(value, (*path, name))
