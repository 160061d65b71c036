"""The code that a step can reach, as a digest: what else than its inputs decides its results.

From the module of the step on, imports are followed through our own packages, those inside
functions too. Each module counts by its syntax tree without comments, docstrings and the help of
settings, so that words change nothing; templates that lie beside a module count by their bytes.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import colisten
from colisten.files import combined_digest, file_digest

# The package that is ours.
OURS = "colisten"
_HOME = Path(colisten.__file__).parent.parent
_TEMPLATES = "templates"


def code_digest(module: str, home: Path = _HOME) -> str:
    """SHA-256, 16 hex digits, over all code that a module can reach.

    Args:
        module: Full dotted name.
        home: Folder that holds our packages.
    """
    return combined_digest(reachable(module, home))[:16]


def reachable(module: str, home: Path = _HOME) -> dict[str, str]:
    """Digests of a module, of all that it imports, and so on, by name; templates by file."""
    digests: dict[str, str] = {}
    waiting, met, folders = [module], set[str](), set[Path]()
    while waiting:
        name = waiting.pop()
        # A module brings its packages with it.
        for each in {name, *_packages(name)} - met:
            met.add(each)
            file = _file(each, home)
            if file is None:
                continue
            digests[each], imported = _read(file)
            waiting += imported
            if file.parent not in folders:
                folders.add(file.parent)
                digests |= _templates(file.parent / _TEMPLATES, home)
    return digests


def _templates(folder: Path, home: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(home).as_posix(): file_digest(file) for file in files}


def _read(file: Path) -> tuple[str, tuple[str, ...]]:
    """A module's digest and what it imports."""
    status = file.stat()
    return _parsed(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _parsed(file: Path, _changed: int, _size: int) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(file.read_bytes())
    imported = tuple(sorted(set(_imports(tree))))
    stripped: ast.AST = _Stripped().visit(tree)
    return hashlib.sha256(ast.dump(stripped).encode()).hexdigest(), imported


def _imports(node: ast.AST) -> Iterator[str]:
    """Names that may be modules of ours; those that only a type checker sees are left out."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if _ours(alias.name))
    elif isinstance(node, ast.ImportFrom) and node.module and _ours(node.module):
        yield node.module
        # What is imported from a package may be a module of it.
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    # Statements hold statements in these alone; most of a tree are expressions.
    for name in ("body", "handlers", "cases", "orelse", "finalbody"):
        for child in getattr(node, name, ()):
            yield from _imports(child)


class _Stripped(ast.NodeTransformer):
    """A tree without what only people read."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "Field":
            node.keywords = [each for each in node.keywords if each.arg != "description"]
        return self.generic_visit(node)


def _ours(name: str) -> bool:
    return name.partition(".")[0] == OURS


def _packages(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _file(name: str, home: Path) -> Path | None:
    place = home.joinpath(*name.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return file
    return None
