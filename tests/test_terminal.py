"""What reaches a terminal or a log is text, whatever values it names."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from colisten.shown import plain
from colisten.terminal import Terminal, styled
from tests.hostile import VALUES
from tests.reports.test_page import ROOT, sources, strings

SHORT = [value for value in VALUES if len(value) < 1000]
ANY = st.text(st.characters(codec=None), max_size=60) | st.sampled_from(SHORT)
PRINTERS = {
    ROOT / "colisten" / "terminal.py",
    # JSON documents, escaped as JSON.
    ROOT / "cli" / "documents.py",
    # A draft of a mapping, to be sent into a file.
    ROOT / "cli" / "import_tables.py",
    # A draft of rules, likewise.
    ROOT / "cli" / "monitor.py",
    # Its own words, as a page of Markdown.
    ROOT / "cli" / "commands.py",
    ROOT / "cli" / "settings.py",
    ROOT / "cli" / "pipeline.py",
    # Into the log of a run.
    ROOT / "pipelines" / "local.py",
    ROOT / "pipelines" / "step_containers.py",
    ROOT / "components" / "pod_logs.py",
}
# What rich itself writes: colours, weights and the end of both; links would be \x1b]8.
OWN = re.compile(r"\x1b\[[0-9;]*m")


def printed(*things: object) -> str:
    file = io.StringIO()
    terminal = Terminal(file=file, force_terminal=True, width=2_000, color_system="truecolor")
    for thing in things:
        terminal.print(thing)
    return OWN.sub("", file.getvalue())


def table(value: str) -> Table:
    made = Table(value, title=value, show_lines=False)
    made.add_row(value)
    made.add_row(Text(value))
    return made


@settings(deadline=None)
@given(ANY)
def test_a_value_is_printed_as_text(value: str) -> None:
    shown = printed(f"a {value} b", Text(value), styled(value, "bold", f" {value}"), table(value))
    for sign in set(shown) - {"\n"}:
        assert plain(sign) == sign, repr(sign)
    # One line, whatever is in it.
    assert printed(f"a {value} b") == f"a {plain(value)} b\n"


@pytest.mark.parametrize("value", SHORT)
def test_markup_in_a_value_is_shown(value: str) -> None:
    cell = Table.grid()
    cell.add_row(plain(value))
    assert plain(value).strip() in printed(cell)


def test_a_terminal_without_a_width_has_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    written = io.StringIO()
    Terminal(file=written).print("seen")
    assert written.getvalue() == "seen\n"


def test_what_we_colour_is_coloured() -> None:
    file = io.StringIO()
    Terminal(file=file, force_terminal=True, color_system="truecolor").print(styled("x", "red"))
    assert file.getvalue() == "\x1b[31mx\x1b[0m\n"


def test_terminals_are_opened_in_one_place_and_read_no_markup() -> None:
    markup = re.compile(r"\[/?(bold|dim|red|green|yellow|italic|link|/)[ \w]*\]|\[/\]")
    for file, tree in sources():
        for text in strings(tree):
            assert not markup.search(text), f"{file}: markup is not read: {text!r}"
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            if file != ROOT / "colisten" / "terminal.py":
                assert name not in ("Console", "from_markup", "from_ansi", "render_markup"), file
            if name == "TextColumn":
                said_so = {one.arg: ast.unparse(one.value) for one in node.keywords}
                assert said_so.get("markup") == "False", f"{file}: {ast.unparse(node)}"
            if name == "print" and isinstance(node.func, ast.Name):
                assert file in PRINTERS, f"{file}: print goes around the terminal"
            assert name not in ("echo", "secho"), f"{file}: echo goes around the terminal"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_value_cannot_forge_a_line_of_the_log(terminal: bool) -> None:
    code = (
        "import sys, json\n"
        f"sys.stderr.isatty = lambda: {terminal}\n"
        "from colisten.logs import configure_logs, logger\n"
        "configure_logs('info')\n"
        "for value in json.load(sys.stdin):\n"
        "    more = {'n' + value: {value: value}}\n"
        "    logger(value).warning(value, value=value, many=[value], **more)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(VALUES),
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    lines = done.stderr.rstrip("\n").split("\n")
    assert len(lines) == len(VALUES)
    for line, value in zip(lines, VALUES, strict=True):
        assert plain(OWN.sub("", line)) == OWN.sub("", line)
        if not terminal:
            assert json.loads(line)["value"] == plain(value)


def test_a_traceback_keeps_its_lines_and_obeys_nothing() -> None:
    code = (
        "from colisten.logs import configure_logs, logger\n"
        "import json, sys\n"
        "configure_logs('info')\n"
        "try:\n    raise ValueError('\\x1b[31mred')\n"
        "except ValueError:\n    logger('x').exception('failed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    told = json.loads(done.stderr)["exception"]
    assert "ValueError: \\x1b[31mred" in told
    assert told.count("\n") >= 2
