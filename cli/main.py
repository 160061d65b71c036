"""The `colisten` command: one file a command group, wired together here.

Exit codes: 0 done, 1 the work failed, 2 the caller's input is at fault.
"""

from __future__ import annotations

import typer

from cli import (
    ablate,
    check,
    demo,
    events,
    experiment,
    explain,
    graph,
    pipeline,
    release,
    run,
    serve,
    settings,
    simulate,
)
from colisten.errors import ColistenError
from colisten.logs import configure_logs
from colisten.terminal import print_error

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


def main() -> None:
    """Run the command; a `ColistenError` becomes one clear line and its exit code."""
    configure_logs()
    try:
        app()
    except ColistenError as error:
        print_error(f"colisten: {type(error).__name__}: {error}")
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
