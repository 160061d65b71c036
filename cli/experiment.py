"""`colisten experiment`: show shelves in a simulated world, and read any experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from colisten.cli.inputs import ConfigOption, SetOption
from colisten.cli.run import wide_console
from colisten.data import contract, parquet
from colisten.data.contract import EXPOSURES, INTERACTIONS, ITEMS
from colisten.data.moments import parse_moment
from colisten.data.table_files import find_table
from colisten.data.violations import FolderMissing
from colisten.errors import ReportError
from colisten.experiments.shares import read_shares
from colisten.files import write_aside
from colisten.json_files import read_mapping
from colisten.logs import logger
from colisten.settings.tree import Settings, load_settings
from colisten.terminal import Terminal

log = logger("experiment")

app = typer.Typer(help="Simulate and read A/B experiments.", no_args_is_help=True)

CONTROL = "popularity"
SHARES = {CONTROL: 1 / 3, "2T": 1 / 3, "2T-HGNN": 1 / 3}

UNDEFINED = "not defined"

OutOption = Annotated[Path, typer.Option("--out", help="Folder of a finished `colisten run`.")]


@app.command()
def simulate(
    data: Annotated[Path, typer.Option("--data", help="World written by `colisten simulate`.")],
    out: OutOption,
    days: Annotated[
        int, typer.Option("--days", min=1, max=3660, help="Length of the experiment.")
    ] = 14,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
) -> None:
    """Show each user of a simulated world their arm's shelf and record what they do.

    Three arms as in the paper: popularity (the incumbent), 2T, 2T-HGNN. Writes
    OUT/experiment/exposures.parquet and interactions.parquet, both in the table contract.

    Example: colisten experiment simulate --data world --out out
    """
    exposures, events = run_simulation(data, out, days=days, seed=seed)
    Terminal().print(f"{exposures:,} exposures and {events:,} events in {out / 'experiment'}")


@app.command()
def report(
    out: OutOption,
    data: Annotated[
        Path, typer.Option("--data", help="Tables with what users did before the experiment.")
    ],
    exposures: Annotated[
        Path | None, typer.Option("--exposures", help="Default: OUT/experiment.")
    ] = None,
    control: Annotated[str, typer.Option("--control", help="Arm to compare with.")] = CONTROL,
    shares: Annotated[
        str,
        typer.Option(
            "--shares",
            help="Planned share of users per arm as JSON, fractions that sum to 1; default: equal "
            "thirds.",
        ),
    ] = "",
    hours: Annotated[
        int,
        typer.Option(
            "--hours",
            min=1,
            help="How long after each time it was shown a start counts.",
        ),
    ] = 72,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="TYPE",
            help="Item type whose starts count; default: what the run in OUT recommends.",
        ),
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Stream rate and new-start rate per arm with intervals, as an Evidently page.

    Example: colisten experiment report --data world --out out
    """
    folder = exposures or out / "experiment"
    planned = read_shares(shares) if shares else SHARES
    table = make_report(
        data,
        folder,
        out,
        control=control,
        shares=planned,
        hours=hours,
        target=target,
        settings=load_settings(config, tuple(overrides or ())),
    )
    wide_console().print(table)


def run_simulation(data: Path, out: Path, *, days: int, seed: int) -> tuple[int, int]:
    """Write OUT/experiment; returns how many exposures and events."""
    from colisten.experiments.exposure import simulate_exposures
    from colisten.simulator.response import respond

    target_type = _of_run(out, "test", "target_type")
    shown = simulate_exposures(
        {arm: out / "shelves" / f"{arm}.parquet" for arm in SHARES},
        experiment=f"{target_type}-shelf",
        shares=SHARES,
        start=parse_moment(_of_run(out, "cut"), "cut"),
        days=days,
        release_id=_of_run(out, "release", "release_id"),
        seed=seed,
    )
    events = respond(data / "truth", shown, seed=seed)
    with write_aside(out / "experiment") as folder:
        folder.mkdir()
        parquet.write(shown, folder / "exposures.parquet")
        parquet.write(events, folder / "interactions.parquet")
    return shown.num_rows, events.num_rows


def _of_run(out: Path, *keys: str) -> str:
    """What the run of a folder says of itself, such as the type that it recommends."""
    file = out / "metrics.json"
    try:
        said: Any = read_mapping(file)
        for key in keys:
            said = said[key]
        return str(said)
    except OSError as error:
        raise ReportError(
            f"{out} holds no finished run, which would say whose starts count.",
            "Run `colisten run --out` first; a report of another system's experiment takes "
            "`--target`.",
        ) from error
    except (ValueError, LookupError, TypeError) as error:
        raise ReportError(
            f"{file} is not what a run writes: it does not say {'.'.join(keys)}.", "Run it again."
        ) from error


def _file(folder: Path, table: contract.Table) -> Path:
    """The file that a folder has for a table, found as `colisten check` finds it."""
    return _found(folder, table) or folder / table.file_name


def _found(folder: Path, table: contract.Table) -> Path | None:
    """As `_file`; None where the folder has no such table and need not have."""
    if not folder.is_dir():
        raise FolderMissing("", detail=f"{folder} is not a folder", do="Name another.")
    found = find_table(folder, table)
    if found.violation is not None:
        raise found.violation
    if found.notice:
        log.warning("name not of the contract", notice=found.notice)
    return found.path


def make_report(
    data: Path,
    folder: Path,
    out: Path,
    *,
    control: str,
    shares: Mapping[str, float],
    hours: int,
    target: str | None = None,
    settings: Settings | None = None,
) -> Table:
    """Write OUT/reports/experiment.html and return its figures for a terminal.

    Without a `target`, starts of the type count that the run in OUT recommends; `settings` say
    which types and signals there are, and what counts as a start.
    """
    from colisten.experiments.outcomes import user_outcomes
    from colisten.monitoring.experiment import experiment_report

    outcomes = user_outcomes(
        _file(folder, EXPOSURES),
        [_file(data, INTERACTIONS), _file(folder, INTERACTIONS)],
        target_type=_of_run(out, "test", "target_type") if target is None else target,
        attribution_hours=hours,
        items=_found(data, replace(ITEMS, required=False)),
        settings=settings,
    )
    page = out / "reports" / "experiment.html"
    reading = experiment_report(outcomes, page, control=control, shares=shares)
    table = Table(
        title=Text(f"A/B: {page}"),
        title_justify="left",
        caption=Text("\n".join([reading.split_verdict, *reading.left_out])),
        caption_justify="left",
    )
    for column in ("arm", "users", "stream rate", "new-start rate", "lift of new starts"):
        table.add_column(column, justify="left" if column == "arm" else "right")
    lifts = {lift.arm: lift.lift for lift in reading.lifts if lift.rate == "new_start_rate"}
    for arm in reading.arms:
        cells = [
            f"{rate.value:.2%} ({rate.low:.2%}-{rate.high:.2%})" if rate else UNDEFINED
            for rate in (arm.stream_rate, arm.new_start_rate)
        ]
        lift = lifts.get(arm.name)
        moved = f"{lift.value:+.1%} ({lift.low:+.1%} to {lift.high:+.1%})" if lift else UNDEFINED
        moved = "control" if arm.name == reading.control else moved
        table.add_row(Text(arm.name), f"{arm.users:,}", *cells, moved)
    return table
