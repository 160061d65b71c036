"""The commands: one file a group, wired together here, and what becomes of their errors."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence

import typer

from colisten.cli import (
    ablate,
    check,
    demo,
    events,
    experiment,
    explain,
    graph,
    import_tables,
    pipeline,
    release,
    run,
    serve,
    settings,
    simulate,
)
from colisten.cli.ending import raise_if_asked
from colisten.errors import ColistenError, FileError, PipelineError
from colisten.logs import configure_logs
from colisten.shown import plain, plain_lines
from colisten.terminal import print_error
from colisten.variables import DEBUG, check_variables

# What stands before an error that nobody foresaw.
UNEXPECTED = "unexpected"

app = typer.Typer(
    name="colisten",
    help="Recommend a new content type with the help of established ones.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command()(simulate.simulate)
app.command("import")(import_tables.import_)
app.command()(check.check)
app.command()(run.run)
app.command()(ablate.ablate)
app.command()(explain.explain)
app.command()(serve.serve)
app.command()(settings.settings)
app.add_typer(release.app, name="release")
app.add_typer(events.app, name="events")
app.add_typer(graph.app, name="graph")
app.add_typer(experiment.app, name="experiment")
app.add_typer(pipeline.app, name="pipeline")


def answer(arguments: Sequence[str]) -> int:
    """Run a command line in this process; what went wrong becomes one line on standard error.

    Args:
        arguments: Without the program's name.

    Returns:
        The exit code: 0 done, 1 the work failed, 2 the caller's input is at fault.

    Raises:
        Ended: A signal ends the command.
    """
    try:
        configure_logs()
        check_variables(os.environ)
        app(list(arguments))
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else int(done.code is not None)
        if code:
            raise_if_asked()
        return code
    except Exception as error:
        raise_if_asked()
        return _told(error)
    return 0


def _told(error: Exception) -> int:
    """Say what went wrong; returns the exit code."""
    if isinstance(error, ColistenError):
        # The last lines of a step are lines.
        show = plain_lines if isinstance(error, PipelineError) else plain
        print_error(f"colisten: {type(error).__name__}: {show(error)}")
        return error.exit_code
    if isinstance(error, OSError):
        print_error(f"colisten: FileError: {plain(_of_system(error))}")
        return FileError.exit_code
    # A fault of ours; whoever looks for it wants the stack, nobody else does.
    if os.environ.get(DEBUG) == "1":
        traceback.print_exception(error)
    print_error(
        f"colisten: {UNEXPECTED} {type(error).__name__}: {plain(error)} "
        f"Set {DEBUG}=1 to see where, and report it, please."
    )
    return 1


def _of_system(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    where = "" if error.filename is None else f" ({os.fsdecode(error.filename)})"
    return f"The system refuses{where}: {what}."
