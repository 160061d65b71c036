"""JSON for scripts: with `--json` a command prints one document on standard output.

Everything else that the command or its libraries print goes to standard error meanwhile. A
command that fails prints its error as the document.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Annotated, TextIO

import typer

from colisten.json_files import to_json
from colisten.shown import plain_json

JSON = "--json"
JsonOption = Annotated[
    bool,
    typer.Option(JSON, help="Print one JSON document on stdout, everything else on stderr."),
]

_stream: ContextVar[TextIO | None] = ContextVar("_stream", default=None)


def asks_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON."""
    options = list(arguments)
    return JSON in (options[: options.index("--")] if "--" in options else options)


@contextlib.contextmanager
def document_alone() -> Iterator[None]:
    """Keep standard output for the document; what else is printed goes to standard error."""
    token = _stream.set(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _stream.reset(token)


def print_document(value: object, *, otherwise: Callable[[object], str] | None = None) -> None:
    """Print a value as the command's JSON document: strict, nothing that a terminal obeys.

    Args:
        otherwise: Text of a value that JSON cannot hold; None raises.
    """
    text = to_json(value, indent=2, otherwise=otherwise)
    print(plain_json(text), file=_stream.get() or sys.stdout, flush=True)


def print_error_document(kind: str, message: str, exit_code: int) -> None:
    """Print what ended the command as its document."""
    print_document({"error": {"class": kind, "message": message, "exit_code": exit_code}})
