"""The reference of commands is what the program says of itself."""

from __future__ import annotations

import re

from typer.main import get_command

from colisten.cli.app import program
from colisten.cli.commands import commands_markdown, walk
from colisten.settings.tree import RENAMED
from tests.docs.page import Page, pages


def test_the_commands_are_those_of_the_program() -> None:
    every = dict(walk(get_command(program())))
    assert {"run", "release promote", "graph report"} <= set(every)
    assert Page.read("docs/commands.md").text.endswith(commands_markdown(every))


def test_the_index_leads_to_every_page() -> None:
    index = Page.read("docs/index.md")
    linked = {link.partition("#")[0] for link in index.links}
    others = {name.removeprefix("docs/") for name in pages() if name.startswith("docs/")}
    assert others - linked == {"index.md"}


def test_what_was_renamed_stands_in_the_notes() -> None:
    text = Page.read("docs/upgrade.md").text
    before = re.findall(r"(?m)^\| `([\w.]+)` \| `([\w.]+)` \|$", text)
    assert dict(before) == RENAMED
