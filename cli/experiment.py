"""`colisten experiment`: show shelves in a simulated world, and read any experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import ConfigOption, DataOption, OutOption, SeedOption, SetOption
from colisten.cli.run import wide_console
from colisten.errors import ReportError
from colisten.experiments.plan import latest_experiment
from colisten.settings.shares import read_shares
from colisten.shown import plain
from colisten.steps.use_cases.experiment import (
    CONTROL,
    HOURS,
    compare_experiment,
    experiment_settings,
    simulate_experiment,
)
from colisten.terminal import Terminal, print_error

if TYPE_CHECKING:
    from colisten.experiments.reading import Comparison
    from colisten.statistics.interval import Interval

app = typer.Typer(help="Simulate and read A/B experiments.", no_args_is_help=True)

UNDEFINED = "not defined"


@app.command()
def simulate(
    data: DataOption,
    out: OutOption,
    days: Annotated[
        int, typer.Option("--days", min=1, max=3660, help="Length of the experiment.")
    ] = 14,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Show each user of a simulated world their arm's shelf and record what they do.

    --data is a world written by `colisten simulate`: its planted truth answers for the users.
    Three arms as in the paper: popularity (the incumbent), 2T, 2T-HGNN. Writes
    OUT/experiment/exposures.parquet and interactions.parquet, both in the table contract, and
    beside them truth.json: what the arms are worth by the planted tastes, which no report reads.

    Example: colisten experiment simulate --data world --out out
    """
    exposures, events = simulate_experiment(data, out, days=days, seed=seed)
    if as_json:
        folder = out / "experiment"
        print_document({"exposures": exposures, "events": events, "folder": folder})
        return
    Terminal().print(f"{exposures:,} exposures and {events:,} events in {out / 'experiment'}")


@app.command()
def report(
    out: OutOption,
    data: DataOption,
    exposures: Annotated[
        Path | None,
        typer.Option(
            "--exposures",
            help="Folder of the experiment; default: of OUT/experiment (simulated) and "
            "OUT/exposures/* (served) the one in which something was shown last.",
        ),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(
            "--control",
            help=f"Arm to compare with; default: as the service planned it, else {CONTROL}.",
        ),
    ] = None,
    shares: Annotated[
        str,
        typer.Option(
            "--shares",
            help="Planned share of users per arm as JSON, fractions that sum to 1; default: as "
            "the service planned them, else equal thirds.",
        ),
    ] = "",
    hours: Annotated[
        int | None,
        typer.Option(
            "--hours",
            min=1,
            help=f"How long after each time it was shown a start counts; default: {HOURS}.",
        ),
    ] = None,
    design: Annotated[
        Path | None,
        typer.Option(
            "--design",
            metavar="FILE",
            help="YAML file of what was decided beforehand (see docs/monitoring.md): arms and "
            "shares, dates, looks, metrics, window. Page and JSON repeat it.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="TYPE",
            help="Item type whose starts count; default: what the live release recommends.",
        ),
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Metrics per arm with intervals, lifts and guardrails, as an Evidently page.

    --data holds what users did before the experiment. What `colisten serve` showed, and the events
    that it was sent, are read as they lie, also while it goes on. Where users are not split as
    planned, or were not alike before their first showing, the report is written all the same and
    the exit code is 1.

    Example: colisten experiment report --data world --out out
    """
    page = out / "reports" / "experiment.html"
    folder = exposures or latest_experiment(out)
    reading = compare_experiment(
        data,
        folder,
        page,
        control=control,
        shares=read_shares(shares) if shares else None,
        hours=hours,
        design=design,
        target=target,
        settings=experiment_settings(out, config, tuple(overrides or ())),
    )
    if as_json:
        print_document({**reading.to_dict(), "page": page, "exposures": folder})
    else:
        wide_console().print(drawn(reading, page, folder))
    if not reading.is_sound:
        print_error(f"colisten: {ReportError.__name__}: {plain(' '.join(reading.health))}")
        raise typer.Exit(ReportError.exit_code)


def drawn(reading: Comparison, page: Path, folder: Path) -> Table:
    """The figures of an experiment for a terminal."""
    read = None if reading.rows is None else reading.rows.said
    said = [read, reading.split_verdict, reading.split_cause, reading.before_verdict]
    said += [*reading.left_out, *reading.notes, *reading.guarded, reading.look.said, reading.method]
    table = Table(
        title=Text(f"A/B: {page}, of {folder}"),
        title_justify="left",
        caption=Text("\n".join(filter(None, said))),
        caption_justify="left",
    )
    for column in ("metric", "arm", "users", "value", "lift", "adjusted p"):
        table.add_column(column, justify="left" if column in ("metric", "arm") else "right")
    lifts = {(lift.arm, lift.metric): lift for lift in reading.lifts}
    for metric in reading.metrics:
        for arm in reading.arms:
            lift = lifts.get((arm.name, metric.name))
            moved = _lift(None if lift is None else lift.adjusted_lift)
            p = "" if lift is None or lift.adjusted_p_value is None else lift.adjusted_p_value
            if arm.name == reading.control:
                moved = "control"
            elif metric.role == "guardrail":
                moved = metric.role
            table.add_row(
                Text(f"{metric.title}{' *' if metric.role == 'primary' else ''}"),
                Text(arm.name),
                f"{arm.users:,}",
                metric.interval_said(arm.values[metric.name]),
                moved,
                f"{p:.3f}" if p else "",
            )
        table.add_section()
    return table


def _lift(lift: Interval | None) -> str:
    if lift is None:
        return UNDEFINED
    return f"{lift.value:+.1%} ({lift.low:+.1%} to {lift.high:+.1%})"
