"""Every command in the same words: help, an example, `--json`, options spelled one way."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from typer.main import get_command

from colisten.cli.app import answer, program
from colisten.cli.ending import ENDS, Ended
from colisten.cli.exit_codes import EPILOG, EXIT_CODES, exit_table
from colisten.errors import ColistenError
from colisten.settings.tree import Settings, load_settings, settings_table
from tests.conftest import write_tiny_source

ROOT = Path(__file__).parents[2]
# One thing, one word: what a parameter of this name is called wherever it is taken.
SPELLED = {
    "out": ["--out"],
    "data": ["--data"],
    "cut": ["--cut"],
    "window_days": ["--window-days"],
    "config": ["--config"],
    "overrides": ["--set"],
    "use_cache": ["--cache"],
    "seed": ["--seed"],
    "as_json": ["--json"],
    "language": ["--language"],
    "k": ["-k", "--k"],
}
# A number of users to simulate, not whose.
OTHER_MEANING = {("simulate", "users")}
# What `--out` is where it is no run's folder.
OTHER_OUT = {"ablate", "demo", "graph report", "import", "pipeline compile", "simulate"}


def walk(group: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walk(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


COMMANDS = dict(walk(get_command(program())))


def options(command: Any) -> dict[str, Any]:
    return {each.name: each for each in command.params if each.param_type_name == "option"}


def called(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command line in this process."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = answer(list(arguments))
    return code, output.getvalue(), errors.getvalue()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does_and_how(name: str) -> None:
    command = COMMANDS[name]
    text = inspect.cleandoc(command.help or "")
    assert text.partition("\n")[0].endswith((".", ":", "?")), text
    assert re.search(rf"Example: .*colisten {name}\b|colisten {name}\b", text), "an example"
    assert "Example:" in text
    assert "--json" in options(command)["as_json"].opts
    for option in options(command).values():
        assert option.hidden or option.help, f"{option.name} says nothing"
    assert command.epilog == EPILOG


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_names_options_that_there_are(name: str) -> None:
    known = {spelling for each in COMMANDS[name].params for spelling in each.opts}
    text = re.sub(r"\\\s*\n", " ", COMMANDS[name].help)
    lines = re.findall(rf"colisten {name}( .*)", text)
    assert lines
    for line in lines:
        used = set(re.findall(r"(?<=\s)--?[a-z][\w-]*", line.partition("|")[0]))
        assert used <= known, (line, used - known)


def test_lines_of_the_page_name_options_that_there_are() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    lines = re.findall(r"^colisten (.*)$", page, re.MULTILINE)
    assert len(lines) > 10
    root = {"--install-completion", "--show-completion"}
    for line in lines:
        name = next((name for name in COMMANDS if f"{line} ".startswith(f"{name} ")), None)
        params = COMMANDS[name].params if name else ()
        known = {spelling for each in params for spelling in each.opts} or root
        used = set(re.findall(r"(?<=\s)--?[a-z][\w-]*", f" {line}"))
        assert used <= known, (line, used - known)


def test_one_thing_has_one_word() -> None:
    spellings: dict[str, set[tuple[str, ...]]] = {}
    helps: dict[str, set[str]] = {}
    for name, command in COMMANDS.items():
        for option in options(command).values():
            if option.hidden:
                continue
            spellings.setdefault(option.name, set()).add(tuple(option.opts))
            if not (option.name == "out" and name in OTHER_OUT):
                helps.setdefault(option.name, set()).add(option.help)
    twice = {name: forms for name, forms in spellings.items() if len(forms) > 1}
    assert not twice, "one name, several spellings"
    for name, forms in SPELLED.items():
        assert spellings[name] == {tuple(forms)}
        assert len(helps[name]) == 1, f"{name} is explained in several ways: {helps[name]}"


def test_one_word_means_one_thing() -> None:
    meanings: dict[str, set[tuple[str, str]]] = {}
    for name, command in COMMANDS.items():
        kinds = get_type_hints(command.callback)
        for option in options(command).values():
            if not option.hidden and (name, option.name) not in OTHER_MEANING:
                kind = str(kinds.get(option.name, "bool")).removesuffix(" | None")
                meaning = (option.name, re.findall(r"\w+", kind)[-1])
                for spelling in option.opts:
                    meanings.setdefault(spelling, set()).add(meaning)
    assert not {spelling: several for spelling, several in meanings.items() if len(several) > 1}


def test_yesterdays_spelling_works_and_says_so(tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    write_tiny_source(tables, users=30)
    code, output, errors = called("check", "--data", str(tables))
    assert (code, errors.count("Notice: `")) == (0, 0)
    assert called("check", str(tables))[:2] == (code, output)
    assert "is now `colisten check --data DIR`" in called("check", str(tables))[2]


# --- JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        (("check", "--data", "nowhere", "--set", "sed=1", "--json"), "ConfigError", 2),
        (("recommend", "--out", "nowhere", "--user", "u", "--json"), "ConfigError", 2),
        (("recommend", "--json"), "UsageError", 2),
        (("release", "list", "--json", "--nothing"), "UsageError", 2),
        (("events", "push", "--json"), "UsageError", 2),
        (("nothing", "--json"), "UsageError", 2),
    ],
)
def test_an_error_is_the_document(arguments: tuple[str, ...], kind: str, code: int) -> None:
    ended, output, errors = called(*arguments)
    error = json.loads(output)["error"]
    assert (ended, error["class"], error["exit_code"]) == (code, kind, code)
    assert errors.strip().splitlines()[-1] == f"colisten: {kind}: {error['message']}"


def test_without_json_an_error_is_no_document() -> None:
    code, output, errors = called("recommend", "--out", "nowhere", "--user", "u")
    assert (code, output) == (2, "")
    assert errors.startswith("colisten: ConfigError: ")


def test_what_is_printed_beside_the_document_goes_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def noisy_rows() -> list[tuple[str, object, str]]:
        print("noise")
        return settings_table()

    monkeypatch.setattr("colisten.cli.settings.settings_table", noisy_rows)
    assert answer(["settings", "--json"]) == 0
    seen = capsys.readouterr()
    assert "noise" in seen.err
    assert json.loads(seen.out)[0]["name"] == "preset"


def test_a_command_that_a_signal_ends_says_so_as_json(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "import colisten.cli.settings as command\n"
        "command.settings_table = lambda: os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.argv = ['colisten', 'settings', '--json']\n"
        "from colisten.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_code"], error["class"]) == (143, 143, "Ended")


# --- settings ------------------------------------------------------------------------------------


def test_the_sample_of_settings_loads_and_says_the_defaults(tmp_path: Path) -> None:
    code, text, _ = called("settings", "--sample")
    assert code == 0
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    assert load_settings(file) == Settings()
    assert all(line.lstrip().startswith("#") for line in text.splitlines() if line)
    marked = [line[1:] for line in text.splitlines() if re.match(r"#(  )?\w+:", line)]
    assert len(marked) > 100
    file.write_text("\n".join(marked))
    assert load_settings(file) == Settings()
    changed = "\n".join(marked).replace("\n  top_k: 100", "\n  top_k: 7")
    file.write_text(changed)
    assert load_settings(file).graph.top_k == 7


def test_settings_as_json_are_all_of_them() -> None:
    rows = json.loads(called("settings", "--json")[1])
    defaults = {row["name"]: row["default"] for row in rows}
    assert defaults["graph.top_k"] == Settings().graph.top_k
    assert all(row["meaning"] for row in rows)
    assert called("settings", "--json", "--sample")[0] == 2


# --- version, completion, exit codes -------------------------------------------------------------


def test_the_version_is_that_of_the_package() -> None:
    assert called("--version") == (0, f"colisten {version('colisten')}\n", "")


def complete(words: str, at: int) -> list[str]:
    """What bash is told while somebody types: the protocol of `--show-completion bash`."""
    asked = {"_COLISTEN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    done = subprocess.run(
        [sys.executable, "-m", "colisten"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **asked},
    )
    return done.stdout.split()


def test_bash_completes_commands_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(complete("colisten re", 1)) == {"recommend", "release"}
    assert set(complete("colisten release pro", 2)) == {"promote"}
    assert complete("colisten recommend --filter-r", 2) == ["--filter-range"]
    # Typer reads the shell off the processes above it; a runner without a terminal has none.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code, script, _ = called("--show-completion", "bash")
    assert code == 0
    assert "complete -o default -F" in script
    assert "_COLISTEN_COMPLETE=complete_bash" in script
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_exit_codes_are_those_of_the_table() -> None:
    page = (ROOT / "docs" / "exit.md").read_text()
    assert exit_table() in page
    said = {int(code) for each in EXIT_CODES for code in each.code.split(", ")}

    def tree(kind: type[ColistenError]) -> Iterator[type[ColistenError]]:
        yield kind
        for below in kind.__subclasses__():
            yield from tree(below)

    assert {0, *(kind.exit_code for kind in tree(ColistenError))} | {
        Ended(number).exit_code for number in ENDS
    } == said
    for command in (["--help"], ["release", "--help"], ["release", "list", "-h"]):
        code, text, _ = called(*command)
        assert code == 0
        assert "Exit codes: 0 done" in text, command


def test_work_that_fails_and_input_at_fault_end_differently(tmp_path: Path) -> None:
    code, _, errors = called("recommend", "--out", str(tmp_path), "--all")
    assert (code, errors.split(": ")[1]) == (1, "FeatureError")
    code, _, errors = called("recommend", "--out", str(tmp_path), "--user", "u")
    assert (code, errors.split(": ")[1]) == (2, "ReleaseNotFound")
