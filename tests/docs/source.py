"""What the sources hold: modules, the names in them, and the messages that they can print."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.docs.page import ROOT

# What a page calls a value of ours, beside its class.
VARIABLES = {
    "graph": "CoListeningGraph",
    "loader": "MultiLinkNeighborLoader",
    "event": "StepEvent",
    "batch": "UserBatch",
    "release": "Release",
}
HOLE = "…"


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name."""
    package, found = ROOT / "colisten", {}
    # Some rooms lie beside the package in a checkout; links lead to them.
    rooms = [package, *(room for room in package.iterdir() if room.is_symlink())]
    for file in sorted(file for room in rooms for file in room.rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(file.read_text())
    return found


@cache
def homes() -> dict[str, list[str]]:
    """Names of classes and functions at the top of a module, each with its modules."""
    found: dict[str, list[str]] = {}
    for module, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found.setdefault(node.name, []).append(module)
    return found


@cache
def methods() -> set[str]:
    """Names of everything that can be called on something."""
    return {
        node.name
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


def attribute(value: Any, name: str) -> tuple[bool, Any]:
    """Whether a value has a name, as an attribute or as a field, and what it is there."""
    if hasattr(value, name):
        return True, getattr(value, name)
    bases = getattr(value, "__mro__", ())
    fields = {field for base in bases for field in getattr(base, "__annotations__", {})}
    return name in fields, None


def resolves(dotted: str) -> bool:
    """Whether a dotted name leads to something that is there.

    It starts at the package, at any module by the end of its name, at a class, at a value of ours
    by what pages call it, or at a package of others.
    """
    parts = dotted.split(".")
    starts: list[tuple[str, list[str]]] = []
    for length in range(len(parts), 0, -1):
        head = ".".join(parts[:length])
        starts += [
            (module, parts[length:])
            for module in trees()
            if module == head or module.endswith(f".{head}")
        ]
    owner = VARIABLES.get(parts[0], parts[0])
    starts += [(module, [owner, *parts[1:]]) for module in homes().get(owner, [])]
    if not starts and parts[0] in ("torch", "numpy"):
        starts = [(parts[0], parts[1:])]
    return any(_follow(module, rest) for module, rest in starts)


def _follow(module: str, names: list[str]) -> bool:
    value: Any = importlib.import_module(module)
    for name in names:
        there, value = attribute(value, name)
        if not there:
            return False
    return True


@cache
def messages() -> tuple[str, ...]:
    """Every text in the sources, with `…` for what is filled in."""
    return tuple(text for tree in trees().values() for text in _texts(tree))


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [
                str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values
            ]
            yield "".join(parts)


def can_be_printed(message: str) -> bool:
    """Whether one text of the sources holds the message; `…` in it stands for anything."""
    pattern = re.compile(".*".join(re.escape(part) for part in message.strip().split(HOLE)), re.S)
    return any(pattern.search(text) for text in messages())
