"""`colisten settings`: every setting with its default and its meaning."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from colisten.json_files import to_json
from colisten.settings.tree import settings_table
from colisten.terminal import Terminal

_TOP = """# Settings

Made by `colisten settings --markdown`; a test fails when it is out of date.

A YAML file (`--config FILE`) groups them by section; `--set section.name=value` overrides one.
An unknown name or word is an error that tells the nearest known one.

| setting | default | meaning |
|---|---|---|
"""


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="As docs/settings.md.")] = False,
) -> None:
    """List every setting with its default and its meaning."""
    if markdown:
        print(settings_markdown(), end="")
        return
    table = Table("setting", "default", "meaning")
    for name, default, meaning in settings_table():
        table.add_row(name, _shown(default), meaning)
    Terminal().print(table)


def settings_markdown() -> str:
    """The text of docs/settings.md."""
    rows = [
        f"| `{name}` | `{_shown(default)}` | {meaning} |"
        for name, default, meaning in settings_table()
    ]
    return _TOP + "\n".join(rows) + "\n"


def _shown(default: Any) -> str:
    return to_json(list(default) if isinstance(default, tuple) else default)
