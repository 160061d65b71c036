"""`colisten settings`: every setting with its default and its meaning."""

from __future__ import annotations

import textwrap
from typing import Annotated, Any

import typer
from rich.table import Table

from colisten.cli.documents import JsonOption, print_document
from colisten.errors import ConfigError
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


_SAMPLE_TOP = """# Settings of colisten, for `--config FILE`. Every line is a comment and says
# the default: take the mark away from a setting, and from the name of its section, to change it.
"""


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="As docs/settings.md.")] = False,
    sample: Annotated[
        bool, typer.Option("--sample", help="As a YAML file for --config, every line a comment.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List every setting with its default and its meaning.

    \b
    Example: colisten settings --sample > settings.yaml
      colisten settings --json | jq -r ".[].name"
    """
    if markdown + sample + as_json > 1:
        raise ConfigError("Settings are printed in one form.", "Leave out all but one option.")
    if as_json:
        rows = settings_table()
        print_document(
            [dict(zip(("name", "default", "meaning"), row, strict=True)) for row in rows]
        )
        return
    if markdown or sample:
        print(settings_markdown() if markdown else settings_sample(), end="")
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


def settings_sample() -> str:
    """A YAML file of settings in which every setting is a comment with its default.

    Without its comment marks it says what the defaults say.
    """
    lines, open_section = [_SAMPLE_TOP], ""
    for name, default, meaning in settings_table():
        section, _, setting = name.rpartition(".")
        if section != open_section:
            lines += ["", f"#{section}:"]
            open_section = section
        indent = "  " if section else ""
        lines += [
            f"{indent}# {line}" for line in textwrap.wrap(meaning, 96, break_on_hyphens=False)
        ]
        lines.append(f"#{indent}{setting}: {_shown(default)}")
    return "\n".join(lines) + "\n"


def _shown(default: Any) -> str:
    return to_json(list(default) if isinstance(default, tuple) else default)
