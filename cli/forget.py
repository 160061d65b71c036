"""`colisten forget`: remove one person from a run's folder."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import ConfigOption, OutOption, SetOption
from colisten.settings.tree import load_settings
from colisten.terminal import Terminal

if TYPE_CHECKING:
    from colisten.privacy.forget import Forgotten, Found

_STANDARD_INPUT = "-"


def forget(
    user: Annotated[
        str,
        typer.Argument(
            metavar="USER",
            help="The person's id; - reads it from standard input, so that it stands in no list "
            "of processes and no shell history.",
        ),
    ],
    out: OutOption,
    tables: Annotated[
        list[Path] | None,
        typer.Option(
            "--tables",
            metavar="DIR",
            help="Tables that may name the person; looked through, never changed; repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Remove one person: online store, features, lists, logs, steps, and releases' lists of titles.

    Releases that hold what the person had started are published again without it, under another
    id, and a running service follows. Said is what was removed, what names the person and is not
    ours to change, and what remains until the next release; never the id. Ended, the same command
    goes on; done, it finds nothing. docs/privacy.md says what is kept where.

    \b
    Example: colisten forget u42 --out out --tables tables --dry-run
      colisten forget - --out out < id.txt
    """
    from colisten.privacy.forget import forget as forget_person

    settings = load_settings(config, tuple(overrides or ()))
    if user == _STANDARD_INPUT:
        user = sys.stdin.read().removesuffix("\n")
    done = forget_person(
        out,
        user,
        tables=tables or (),
        dry_run=dry_run,
        index=settings.index,
        keys=settings.release,
    )
    if as_json:
        print_document(asdict(done))
    else:
        _print(done)


def _print(done: Forgotten) -> None:
    console = Terminal()
    if done.found:
        console.print(_table(done.found, "would become of it" if done.dry_run else "done"))
    else:
        console.print("Nothing here holds the person.")
    if done.named:
        console.print("Not ours to change:")
        console.print(_table(done.named, "to do"))
    for sentence in done.remains:
        console.print(sentence, soft_wrap=True, highlight=False)


def _table(found: tuple[Found, ...], what: str) -> Table:
    table = Table("place", "rows", what)
    for one in found:
        table.add_row(one.place, f"{one.rows:,}", one.done)
    return table
