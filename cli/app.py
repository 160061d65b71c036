"""The commands: one file a group, wired together here, and what becomes of their errors.

A command line loads the file of the command that it names and no other: what they work with takes
a second or more together.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

from colisten.cli.documents import asks_json, document_alone, print_error_document
from colisten.cli.ending import raise_if_asked
from colisten.cli.exit_codes import EPILOG
from colisten.errors import ColistenError, ConfigError, FileError, PipelineError
from colisten.logs import configure_logs
from colisten.shown import plain, plain_lines
from colisten.terminal import Terminal, print_error
from colisten.variables import DEBUG, check_variables

# What stands before an error that nobody foresaw.
UNEXPECTED = "unexpected"
# What a command line that cannot be read is called in JSON.
USAGE = "UsageError"

# Where each command is, in the order of --help; of a group, its Typer.
COMMANDS = {
    "demo": "demo:demo",
    "simulate": "simulate:simulate",
    "import": "import_tables:import_",
    "check": "check:check",
    "run": "run:run",
    "ablate": "ablate:ablate",
    "explain": "explain:explain",
    "recommend": "recommend:recommend",
    "similar": "similar:similar",
    "serve": "serve:serve",
    "forget": "forget:forget",
    "settings": "settings:settings",
    "release": "release:app",
    "events": "events:app",
    "graph": "graph:app",
    "experiment": "experiment:app",
    "monitor": "monitor:app",
    "pipeline": "pipeline:app",
    "triton": "triton:app",
}
PROGRAM = "colisten"
# Set by the shell's part of completion, as Typer names it.
COMPLETES = f"_{PROGRAM.upper()}_COMPLETE"
# Lists all others.
_LISTING = "commands"


def _print_version(asked: bool) -> None:
    if asked:
        Terminal().print(f"colisten {version('colisten')}", highlight=False)
        raise typer.Exit


def _colisten(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Recommend a new content type with the help of established ones."""


def program(only: str | None = None) -> typer.Typer:
    """The program, with every command or with one.

    Args:
        only: A name of `COMMANDS`; what any other text asks for, and None, needs all of them.
    """
    made = typer.Typer(
        name=PROGRAM,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback(epilog=EPILOG)(_colisten)
    for name in [only] if only in COMMANDS else COMMANDS:
        _add(made, name, COMMANDS[name])
    if only not in COMMANDS:
        _add(made, _LISTING, "commands:commands", hidden=True)
    return made


def _add(made: typer.Typer, name: str, place: str, *, hidden: bool = False) -> None:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"colisten.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        made.command(name, hidden=hidden, epilog=EPILOG)(found)
        return
    for command in found.registered_commands:
        command.epilog = EPILOG
    made.add_typer(found, name=name, epilog=EPILOG)


def answer(arguments: Sequence[str]) -> int:
    """Run a command line in this process; what went wrong becomes one line on standard error.

    With `--json` it becomes the JSON document on standard output as well.

    Args:
        arguments: Without the program's name.

    Returns:
        The exit code: 0 done, 1 the work failed, 2 the caller's input is at fault.

    Raises:
        Ended: A signal ends the command.
    """
    if asks_json(arguments):
        with document_alone():
            return _answer(arguments, as_json=True)
    return _answer(arguments, as_json=False)


def _answer(arguments: Sequence[str], *, as_json: bool) -> int:
    try:
        configure_logs()
        check_variables(os.environ)
        made = program(_first(arguments))
        code = made(list(arguments), prog_name=PROGRAM, standalone_mode=not as_json)
    except SystemExit as done:
        code = done.code
    except Exception as error:
        raise_if_asked()
        kind, message, code = _described(error)
        if as_json:
            print_error_document(kind, message, code)
        print_error(f"colisten: {kind}: {message}")
        return code
    code = code if isinstance(code, int) else int(code is not None)
    if code:
        raise_if_asked()
    return code


def _first(arguments: Sequence[str]) -> str | None:
    """The word that names the command; a shell that completes hands its line over in a variable."""
    if COMPLETES in os.environ:
        line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
        arguments = line.split()[1:]
    return arguments[0] if arguments else None


def _described(error: Exception) -> tuple[str, str, int]:
    """An error's kind, message and exit code."""
    if isinstance(error, ColistenError):
        # The last lines of a step are lines.
        show = plain_lines if isinstance(error, PipelineError) else plain
        return type(error).__name__, show(error), error.exit_code
    if isinstance(error, OSError):
        return "FileError", plain(_of_system(error)), FileError.exit_code
    if hasattr(error, "format_message"):  # of the reader of command lines
        return USAGE, plain(error.format_message()), ConfigError.exit_code
    # A fault of ours; whoever looks for it wants the stack, nobody else does.
    if os.environ.get(DEBUG) == "1":
        traceback.print_exception(error)
    message = f"{plain(error)} Set {DEBUG}=1 to see where, and report it, please."
    return f"{UNEXPECTED} {type(error).__name__}", message, 1


def _of_system(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    where = "" if error.filename is None else f" ({os.fsdecode(error.filename)})"
    return f"The system refuses{where}: {what}."
