"""The command lines of a page, held against the commands that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from typer.main import get_command

from colisten.cli.app import program
from tests.docs.page import Page

ALWAYS = {"--help", "-h"}
# Of the root, where typer brings them.
COMPLETION = {"--install-completion", "--show-completion"}
# Options of other programs that pages speak of by themselves.
FOREIGN = {"--skip-measured", "--kubernetes"}  # of `python -m benchmarks` and `-m k8s.checks`


def lines_of(page: Page) -> Iterator[str]:
    """Every line of a block and every span that calls `colisten`."""
    for block in page.blocks:
        if block.language in ("sh", "bash", ""):
            yield from re.findall(
                r"(?m)^\$? ?(?:\.venv/bin/)?(colisten .*)$", re.sub(r"\\\n\s*", " ", block.code)
            )
    for span in page.spans:
        if match := re.fullmatch(r"(?:\.venv/bin/)?(colisten [a-z-].*)", span):
            yield match[1]


def faults_of_line(line: str) -> tuple[list[str], list[str]]:
    """What is wrong with a command line, and the overrides of settings that it holds."""
    said = re.split(r" (?:[|>&;]|#|&&) ?", line)[0]
    words = shlex.split(re.sub(r"\[(-[^\]]*)\]", r"\1", said))[1:]
    command: Any = get_command(program())
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0].isupper():
            return [], []
        if words[0] not in command.commands:
            return [f"{line}: no command {words[0]!r}"], []
        command = command.commands[words.pop(0)]
    known = _options(command) | ALWAYS
    if command.name == "colisten":
        known |= COMPLETION
    used = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    faults = [f"{line}: no option {each}" for each in used if each not in known]
    overrides = [
        value
        for word, value in pairwise(words)
        if word == "--set" and value != "section.name=value" and not value.endswith("=...")
    ]
    return faults, overrides


def _options(command: Any) -> set[str]:
    return {
        spelling
        for each in command.params
        for spelling in (*each.opts, *each.secondary_opts)
        if spelling.startswith("-")
    }


@cache
def known_options() -> set[str]:
    """Every option of every command."""

    def walk(command: Any) -> set[str]:
        below = getattr(command, "commands", {}).values()
        return _options(command).union(*(walk(each) for each in below))

    return walk(get_command(program())) | ALWAYS | COMPLETION | FOREIGN
