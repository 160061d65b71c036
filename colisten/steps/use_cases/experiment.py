"""An A/B experiment: its answers simulated, and what it says, read from any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colisten.data import contract, parquet
from colisten.data.contract import EXPOSURES, INTERACTIONS, ITEMS, USERS
from colisten.data.gather import over_tables
from colisten.data.moments import parse_moment
from colisten.data.table_files import find_table
from colisten.data.violations import FolderMissing
from colisten.errors import ConfigError, ReportError
from colisten.experiments.plan import ExperimentPlan, experiment_tables
from colisten.files import write_aside
from colisten.json_files import read_mapping
from colisten.logs import logger
from colisten.release.store import ReleaseStore
from colisten.settings.shares import SLACK, listed, planned_shares
from colisten.settings.tree import Settings, load_settings

if TYPE_CHECKING:
    from colisten.experiments.design import ExperimentDesign
    from colisten.experiments.reading import Comparison

log = logger("experiment")

CONTROL = "popularity"
SHARES = {CONTROL: 1 / 3, "2T": 1 / 3, "2T-HGNN": 1 / 3}
HOURS = 72


def simulate_experiment(data: Path, out: Path, *, days: int, seed: int) -> tuple[int, int]:
    """Show each user of a simulated world their arm's shelf and write down what they do.

    Writes OUT/experiment/exposures.parquet and interactions.parquet, both in the table contract,
    and what the arms are worth in truth beside them (`experiments.truth`), which no report reads.

    Args:
        data: A simulated world with its `truth`.
        out: Folder of a finished run.
        days: Length of the experiment, from the run's cut on.
        seed: Of assignment and answers.

    Returns:
        How many exposures and events.

    Raises:
        ReportError: `out` holds no finished run.
    """
    from colisten.experiments.exposure import MEAN_VISITS, simulate_exposures
    from colisten.experiments.truth import write_truth
    from colisten.simulator.expected import Visits
    from colisten.simulator.response import respond

    target_type = _of_run(out, "test", "target_type")
    shelves = {arm: out / "shelves" / f"{arm}.parquet" for arm in SHARES}
    visits = Visits(parse_moment(_of_run(out, "cut"), "cut"), days, MEAN_VISITS, HOURS)
    shown = simulate_exposures(
        shelves,
        experiment=f"{target_type}-shelf",
        shares=SHARES,
        start=visits.start,
        days=days,
        release_id=_of_run(out, "release", "release_id"),
        seed=seed,
    )
    events = respond(data / "truth", shown, seed=seed)
    with write_aside(out / "experiment") as folder:
        folder.mkdir()
        parquet.write(shown, folder / "exposures.parquet")
        parquet.write(events, folder / "interactions.parquet")
        write_truth(
            folder,
            data / "truth",
            shelves,
            interactions=_file(data, INTERACTIONS),
            visits=visits,
            control=CONTROL,
        )
    return shown.num_rows, events.num_rows


@over_tables
def compare_experiment(
    data: Path,
    folder: Path,
    page: Path,
    *,
    control: str | None = None,
    shares: Mapping[str, float] | None = None,
    hours: float | None = None,
    design: Path | None = None,
    target: str | None = None,
    settings: Settings | None = None,
) -> Comparison:
    """Every metric of every arm, and how far it lies above the control's.

    Args:
        data: Tables with what users did before the experiment, and who they are.
        folder: Exposures and interactions of the experiment, as tables or as a service logs them.
        page: HTML file to write, in OUT/reports of a run.
        control: Arm to compare with; default: as the folder's plan says, else `CONTROL`.
        shares: Planned share of users per arm; default: as the folder's plan says, else `SHARES`.
        hours: How long after each time it was shown a start counts; default: `HOURS`.
        design: File of the design, which then says control, shares and hours.
        target: Item type whose starts count; default: what the live release, or the run,
            recommends.
        settings: Which types and signals there are, and what counts as a start; default: as
            `experiment_settings` reads them.

    Raises:
        ConfigError: The design is none, or contradicts what else is said.
        TableError: A table is missing or breaks the contract.
        ReportError: There is nothing to compare.
    """
    from colisten.experiments.dates import Dates
    from colisten.experiments.design import read_design
    from colisten.experiments.log_rows import log_rows
    from colisten.experiments.outcomes import user_outcomes
    from colisten.monitoring.experiment import experiment_report

    out = page.parent.parent
    settings = settings or experiment_settings(out)
    if target is None:
        live = ReleaseStore(out).live()
        target = settings.data.target_type if live else _of_run(out, "test", "target_type")
    plan = ExperimentPlan.read(folder)
    planned = None if design is None else read_design(design)
    if planned is not None:
        _check_design(planned, plan, {"--control": control, "--shares": shares, "--hours": hours})
        control, shares, hours = planned.control, planned.shares, planned.attribution_hours
    hours = HOURS if hours is None else hours
    dates = Dates() if planned is None else Dates(planned.start, planned.end)
    with experiment_tables(folder) as tables:
        outcomes = user_outcomes(
            _file(tables, EXPOSURES),
            [_file(data, INTERACTIONS), _file(tables, INTERACTIONS)],
            target_type=target,
            attribution_hours=hours,
            items=_optional_file(data, replace(ITEMS, required=False)),
            users=_optional_file(data, USERS),
            dates=dates,
            data=settings.data,
            engine=settings.engine,
        )
        rows = log_rows(
            _file(tables, EXPOSURES),
            _file(tables, INTERACTIONS),
            target_type=target,
            attribution_hours=hours,
            dates=dates,
            data=settings.data,
            engine=settings.engine,
        )
    return experiment_report(
        outcomes,
        page,
        control=control or (CONTROL if plan is None else plan.control),
        shares=shares or (SHARES if plan is None else plan.shares),
        confidence=0.95 if planned is None else planned.confidence,
        design=planned,
        rows=rows,
    )


def _check_design(
    design: ExperimentDesign, plan: ExperimentPlan | None, given: Mapping[str, object]
) -> None:
    """Raises ConfigError where options, or the plan that users were drawn by, say otherwise."""
    twice = [option for option, value in given.items() if value is not None]
    if twice:
        raise ConfigError(
            f"{' and '.join(twice)} and the design say the same thing twice.",
            "Leave the option out; the design decides.",
        )
    if plan is None:
        return
    drawn, planned = planned_shares(plan.shares), design.shares
    alike = drawn.keys() == planned.keys() and all(
        abs(drawn[arm] - planned[arm]) <= SLACK for arm in drawn
    )
    if not alike:
        raise ConfigError(
            f"The design plans {_said(planned)}, and the service drew users by {_said(drawn)}.",
            "Correct the design, or name another folder by --exposures.",
        )


def _said(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{listed([arm])} {share:.4g}" for arm, share in list(shares.items())[:10])


def experiment_settings(
    out: Path, config: Path | None = None, overrides: tuple[str, ...] = ()
) -> Settings:
    """As `load_settings`, with the types and signals of the live release where nobody sets them.

    Raises:
        ConfigError: What is set does not fit the rest, such as a start that is no signal.
        ReleaseCorrupt: The live release cannot be read.
    """
    live = ReleaseStore(out).live_manifest()
    return load_settings(config, overrides, data=None if live is None else live.data)


def _of_run(out: Path, *keys: str) -> str:
    """What the run of a folder says of itself, such as the type that it recommends."""
    file = out / "metrics.json"
    try:
        value: Any = read_mapping(file)
        for key in keys:
            value = value[key]
        return str(value)
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
    return _optional_file(folder, table) or folder / table.file_name


def _optional_file(folder: Path, table: contract.Table) -> Path | None:
    """As `_file`; None where the folder has no such table and need not have."""
    if not folder.is_dir():
        raise FolderMissing("", detail=f"{folder} is not a folder", do="Name another.")
    place = find_table(folder, table)
    if place.violation is not None:
        raise place.violation
    if place.notice:
        log.warning("name not of the contract", notice=place.notice)
    return place.path
