"""`colisten experiment`: show shelves in a simulated world, and read any experiment."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet as pq
import typer
from rich.table import Table

from cli.run import wide_console
from colisten.errors import ConfigError, ReportError
from colisten.files import write_aside
from colisten.sections import ItemType
from colisten.terminal import Terminal

app = typer.Typer(help="Simulate and read A/B experiments.", no_args_is_help=True)

CONTROL = "popularity"
SHARES = {CONTROL: 1 / 3, "2T": 1 / 3, "2T-HGNN": 1 / 3}

OutOption = Annotated[Path, typer.Option("--out", help="Folder of a finished `colisten run`.")]


@app.command()
def simulate(
    data: Annotated[Path, typer.Option("--data", help="World written by `colisten simulate`.")],
    out: OutOption,
    days: Annotated[int, typer.Option("--days", min=1, help="Length of the experiment.")] = 14,
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
        str, typer.Option("--shares", help="Planned shares as JSON; default: equal thirds.")
    ] = "",
    hours: Annotated[
        int, typer.Option("--hours", min=1, help="How long after it was shown a stream counts.")
    ] = 72,
    target: Annotated[
        ItemType | None,
        typer.Option(
            "--target",
            help="Item type whose starts count; default: what the run in OUT recommends.",
        ),
    ] = None,
) -> None:
    """Stream rate and new-start rate per arm with intervals, as an Evidently page.

    Example: colisten experiment report --data world --out out
    """
    folder = exposures or out / "experiment"
    try:
        planned = json.loads(shares) if shares else SHARES
    except ValueError as error:
        raise ConfigError(f"--shares is not JSON: {error}.") from error
    wide_console().print(
        make_report(data, folder, out, control=control, shares=planned, hours=hours, target=target)
    )


def run_simulation(data: Path, out: Path, *, days: int, seed: int) -> tuple[int, int]:
    """Write OUT/experiment; returns how many exposures and events."""
    from colisten.data.world.response import respond
    from colisten.experiments.exposure import simulate_exposures

    run, target_type = _finished(out)
    shown = simulate_exposures(
        {arm: out / "shelves" / f"{arm}.parquet" for arm in SHARES},
        experiment=f"{target_type}-shelf",
        shares=SHARES,
        start=datetime.fromisoformat(run["cut"]),
        days=days,
        release_id=run["release"]["release_id"],
        seed=seed,
    )
    events = respond(data / "truth", shown, seed=seed)
    with write_aside(out / "experiment") as folder:
        folder.mkdir()
        pq.write_table(shown, folder / "exposures.parquet")
        pq.write_table(events, folder / "interactions.parquet")
    return shown.num_rows, events.num_rows


def _finished(out: Path) -> tuple[dict[str, Any], str]:
    """What the run of a folder measured, and the type that it recommends."""
    try:
        run = json.loads((out / "metrics.json").read_text())
        return run, str(run["test"]["target_type"])
    except FileNotFoundError as error:
        raise ReportError(
            f"{out} holds no finished run, which would say whose starts count.",
            "Run `colisten run --out` first; a report of another system's experiment takes "
            "`--target`.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(
            f"{out / 'metrics.json'} is not what a run writes: {error}.", "Run it again."
        ) from error


def make_report(
    data: Path,
    folder: Path,
    out: Path,
    *,
    control: str,
    shares: dict[str, float],
    hours: int,
    target: ItemType | None = None,
) -> Table:
    """Write OUT/reports/experiment.html and return its figures for a terminal.

    Without a `target`, starts of the type count that the run in OUT recommends.
    """
    from colisten.experiments.outcomes import user_outcomes
    from monitoring.experiment import experiment_report

    outcomes = user_outcomes(
        folder / "exposures.parquet",
        [data / "interactions.parquet", folder / "interactions.parquet"],
        target_type=target or _finished(out)[1],
        attribution_hours=hours,
    )
    page = out / "reports" / "experiment.html"
    reading = experiment_report(outcomes, page, control=control, shares=shares)
    table = Table(title=f"A/B: {page}", title_justify="left")
    for column in ("arm", "users", "stream rate", "new-start rate", "lift of new starts"):
        table.add_column(column, justify="left" if column == "arm" else "right")
    lifts = {lift.arm: lift.lift for lift in reading.lifts if lift.rate == "new_start_rate"}
    for arm in reading.arms:
        cells = [
            f"{rate.value:.2%} ({rate.low:.2%}-{rate.high:.2%})"
            for rate in (arm.stream_rate, arm.new_start_rate)
        ]
        lift = lifts.get(arm.name)
        moved = f"{lift.value:+.1%} ({lift.low:+.1%} to {lift.high:+.1%})" if lift else "control"
        table.add_row(arm.name, f"{arm.users:,}", *cells, moved)
    return table
