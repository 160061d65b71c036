"""A block of Python: it compiles, its imports are there, and so is every name that it uses."""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import inspect
import symtable
from typing import Any

from tests.docs.page import Block
from tests.docs.source import attribute

# What the prose around a block says is there.
GIVEN = {
    "docs/features.md": {"catalogue", "cut", "data", "folder", "history", "moment", "music_dim"}
    | {"out", "settings", "vectors"},
    "docs/graph.md": {"graph"},
    "docs/pipeline.md": {"GraphSet", "HGNNSettings", "Path", "TextVectors", "Trained"},
}
# What a reader installs for an example of their own.
OPTIONAL = {"faiss"}


def bound_by(blocks: list[Block]) -> set[str]:
    """Names that blocks give to those after them."""
    tables = [symtable.symtable(block.code, "page", "exec") for block in blocks]
    return {symbol.get_name() for each in tables for symbol in each.get_symbols() if _binds(symbol)}


def faults_of_code(page: str, block: Block, before: set[str]) -> list[str]:
    """What is wrong with a block of a page, given the names that blocks before it bind."""
    try:
        tree = ast.parse(block.code)
        names = symtable.symtable(block.code, page, "exec")
    except SyntaxError as error:
        return [f"does not compile: {error}"]
    imported, faults = _imports(tree)
    known = GIVEN.get(page, set()) | before | set(dir(builtins))
    free = {
        symbol.get_name()
        for table in _tables(names)
        for symbol in table.get_symbols()
        if (symbol.is_referenced() and symbol.is_global()) or _unbound(table, symbol)
    }
    bound = {symbol.get_name() for symbol in names.get_symbols() if _binds(symbol)}
    faults += [f"{name}: comes from nowhere" for name in sorted(free - bound - known)]
    return faults + _uses(tree, imported)


def _tables(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    return [table, *(each for child in table.get_children() for each in _tables(child))]


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def _unbound(table: symtable.SymbolTable, symbol: symtable.Symbol) -> bool:
    return table.get_type() == "module" and symbol.is_referenced() and not _binds(symbol)


def _imports(tree: ast.Module) -> tuple[dict[str, Any], list[str]]:
    """What a block imports, by the name that it gets, and what of it is not there."""
    values: dict[str, Any] = {}
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name in OPTIONAL:
                    continue
                if importlib.util.find_spec(each.name.split(".")[0]) is None:
                    faults.append(f"import {each.name}: no such module")
                else:
                    module = importlib.import_module(each.name)
                    values[each.asname or each.name.split(".")[0]] = module
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            try:
                module = importlib.import_module(node.module or "")
            except ImportError as error:
                faults.append(f"from {node.module}: {error}")
                continue
            for each in node.names:
                if hasattr(module, each.name):
                    values[each.asname or each.name] = getattr(module, each.name)
                else:
                    faults.append(f"from {node.module} import {each.name}: not there")
    return values, faults


def _uses(tree: ast.Module, imported: dict[str, Any]) -> list[str]:
    """Attributes and keywords of what is imported that there are not."""
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = node.value.id
            if owner in imported and not attribute(imported[owner], node.attr)[0]:
                faults.append(f"{owner}.{node.attr}: not there")
        if isinstance(node, ast.Call):
            faults += _wrong_keywords(node, imported)
    return faults


def _wrong_keywords(call: ast.Call, imported: dict[str, Any]) -> list[str]:
    function: Any = None
    if isinstance(call.func, ast.Name):
        function = imported.get(call.func.id)
    elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        function = getattr(imported.get(call.func.value.id), call.func.attr, None)
    if function is None or not getattr(function, "__module__", "").startswith("colisten"):
        return []
    parameters = inspect.signature(function).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        return []
    given = [each.arg for each in call.keywords if each.arg]
    return [
        f"{ast.unparse(call.func)}({each}=): no such argument"
        for each in given
        if each not in parameters
    ]
