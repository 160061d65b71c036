"""`colisten commands`: every command with its arguments and options, read off the program."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from colisten.cli.documents import JsonOption, print_document

# What every command has.
_COMMON = {"--json", "--help", "-h"}


def commands(
    context: typer.Context,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As the last part of docs/commands.md.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List every command with its options.

    Example: colisten commands --markdown
    """
    every = dict(walk(context.find_root().command))
    if as_json:
        print_document({name: dict(options_of(command)) for name, command in every.items()})
    elif markdown:
        print(commands_markdown(every), end="")
    else:
        print("\n".join(every))


def walk(group: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command below a group by its whole name, in order."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walk(command, (*above, name))
        elif not command.hidden:
            yield " ".join((*above, name)), command


def options_of(command: Any) -> Iterator[tuple[str, str]]:
    """Arguments and options of a command, each with what it means."""
    for each in command.params:
        spelled = [*each.opts, *each.secondary_opts]
        if each.param_type_name == "argument":
            yield each.metavar or each.name.upper(), each.help or ""
        elif not each.hidden and not _COMMON & set(spelled):
            yield ", ".join(spelled), each.help or ""


def commands_markdown(every: dict[str, Any]) -> str:
    """The last part of docs/commands.md."""
    return "\n".join(_section(name, command) for name, command in every.items())


def _section(name: str, command: Any) -> str:
    text = inspect.cleandoc(command.help or "").partition("\n\n")[0].replace("\n", " ")
    rows = [f"| `{spelled}` | {_cell(meaning)} |" for spelled, meaning in options_of(command)]
    table = ["| | |", "|---|---|", *rows, ""] if rows else []
    return "\n".join([f"### colisten {name}", "", text, "", *table])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
