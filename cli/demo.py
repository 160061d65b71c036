"""`colisten demo`: the whole road on a simulated world, in one command."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from colisten.cli.demo_service import ask, free_port, service
from colisten.cli.documents import JsonOption, print_document
from colisten.cli.experiment import drawn
from colisten.cli.inputs import SeedOption
from colisten.cli.run import run_document, show_next, show_outcome, wide_console
from colisten.cli.shelf import shown_score
from colisten.cli.steps import shown_steps
from colisten.data import parquet
from colisten.data.duckdb_connection import connect
from colisten.data.moments import parse_moment
from colisten.errors import ConfigError, PipelineError
from colisten.experiments.plan import SIMULATED
from colisten.json_files import read_mapping
from colisten.settings.sections import EvaluationSettings
from colisten.settings.tree import Settings
from colisten.simulator import WorldSettings, simulate
from colisten.simulator.report import WorldReport
from colisten.steps.use_cases.experiment import compare_experiment, simulate_experiment
from colisten.terminal import Terminal

if TYPE_CHECKING:
    from colisten.steps.use_cases.run import RunResult

# So small that all of it takes about a minute, so large that the model is seen to be worth it.
SMALL = {"users": 1_500, "audiobooks": 250, "podcasts": 600}
_SMALL_NOTE = (
    "A small world, so that this takes about a minute: most titles can be learned, and shelves "
    "hold much of the catalogue. `colisten demo --full` simulates 5,000 users and tunes seven "
    "baselines, in about three minutes."
)
_K = 5


@dataclass(frozen=True)
class _Place:
    """Where a demo lies."""

    out: Path

    @property
    def world(self) -> Path:
        return self.out / "world"

    @property
    def home(self) -> Path:
        return self.out / "run"


def demo(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for everything; default: demo-out, with --full demo-out-full.",
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="The calibrated world of 5,000 users, and tuned baselines."),
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Leave the service running until Ctrl-C.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port to listen on, with --serve.")
    ] = 3000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Simulate a world, train, release, serve two shelves and read an A/B test.

    The world is small unless --full asks for the calibrated one. Everything lands under --out:
    world/ (tables and planted truth) and run/ (what `colisten run` writes). Run again: unchanged
    steps are not repeated.

    Example: colisten demo --out demo-out
    """
    started = time.monotonic()
    place = _Place(out or Path("demo-out-full" if full else "demo-out"))
    console = Terminal(stderr=True) if as_json else wide_console()
    report = _world(place, WorldSettings(seed=seed, **({} if full else SMALL)), console)
    settings = Settings(seed=seed, evaluation=EvaluationSettings(baselines=full))
    result = _release(place, report, settings, console)
    shelves = _shelves(place, report, console)
    experiment = _experiment(place, report, seed, console)
    seconds = time.monotonic() - started
    if as_json:
        document = _document(result, shelves, experiment)
        print_document({**document, "world": place.world, "seconds": seconds})
    else:
        console.rule("Where to look, and what to try")
        show_next(result, place.home, console)
    console.print(f"Done in {seconds:.0f} s.")
    if serve:
        with service(place.home, port) as process:
            console.print(f"Serving on http://127.0.0.1:{port} until Ctrl-C.")
            process.wait()


def _world(place: _Place, settings: WorldSettings, console: Terminal) -> WorldReport:
    console.rule("1. A world of listeners")
    _check_same(place, settings)
    report = simulate(place.world, settings)
    if settings.users == WorldSettings().users:
        console.print(report)
    else:
        console.print(_SMALL_NOTE, highlight=False)
        sizes = f"{settings.users:,} users, {settings.audiobooks:,} audiobooks"
        console.print(
            f"{sizes}, {settings.podcasts:,} podcasts; {report['events']:,.0f} events, those of "
            f"the last {report.window_days} days kept aside."
        )
    return report


def _check_same(place: _Place, settings: WorldSettings) -> None:
    """Refuse a folder whose release knows another world, which a gate cannot compare with."""
    former = place.world / "world.json"
    if not former.is_file() or not place.home.exists():
        return
    if read_mapping(former).get("settings") != settings.model_dump(mode="json"):
        raise ConfigError(
            f"{place.out} holds the demo of another world.", "Give another --out, or remove it."
        )


def _release(
    place: _Place, report: WorldReport, settings: Settings, console: Terminal
) -> RunResult:
    from colisten.steps.use_cases.run import run

    console.rule("2. From tables to a release")
    with shown_steps(place.home) as listen:
        result = run(
            place.world,
            _cut(report),
            place.home,
            settings,
            window_days=report.window_days,
            listen=listen,
        )
    show_outcome(result, console)
    return result


def _shelves(place: _Place, report: WorldReport, console: Terminal) -> list[dict[str, Any]]:
    console.rule("3. Two shelves from the running service")
    port, shelves = free_port(), []
    with service(place.home, port):
        users = _two_users(place.world, _cut(report))
        for user, kind in zip(users, ("warm: has audiobooks", "cold: podcasts only"), strict=True):
            shelves.append(ask(port, user, _K))
            console.print(_shelf(shelves[-1], kind))
    return shelves


def _experiment(place: _Place, report: WorldReport, seed: int, console: Terminal) -> dict[str, Any]:
    console.rule("4. Three arms in the simulated world")
    days, home = report.window_days, place.home
    exposures, events = simulate_experiment(place.world, home, days=days, seed=seed)
    console.print(f"{exposures:,} items shown, {events:,} events in answer")
    page = home / "reports" / "experiment.html"
    folder = home / SIMULATED
    reading = compare_experiment(place.world, folder, page)
    console.print(drawn(reading, page, folder))
    return reading.to_dict()


def _document(
    result: RunResult,
    shelves: list[dict[str, Any]],
    experiment: dict[str, Any],
) -> dict[str, Any]:
    table = result.table
    figures = {
        name: {metric: table.value(name, metric) for metric in table.metrics}
        for name in table.models
    }
    return {
        "run": run_document(result),
        "figures": figures,
        "shelves": shelves,
        "experiment": experiment,
    }


def _cut(report: WorldReport) -> datetime:
    return parse_moment(str(report.cut), "cut")


def _two_users(world: Path, cut: datetime) -> tuple[str, str]:
    """A user who streamed several audiobooks before the cut and one who never touched any."""
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        scan = parquet.scan(world / "interactions.parquet")
        connection.execute(f"CREATE VIEW events AS FROM {scan}")
        users = """
            SELECT user_id FROM (
                SELECT user_id,
                       count(*) FILTER (WHERE item_type = 'audiobook') AS books,
                       count(*) FILTER (WHERE item_type = 'podcast') AS podcasts
                FROM events WHERE timestamp < ? GROUP BY user_id
            ) WHERE {} ORDER BY podcasts DESC, user_id LIMIT 1
        """
        rows = [
            connection.execute(users.format(condition), [cut]).fetchone()
            for condition in ("books BETWEEN 5 AND 12", "books = 0")
        ]
    if any(row is None for row in rows):
        raise PipelineError("The world has no warm or no cold user.", "Simulate more users.")
    return tuple(str(row[0]) for row in rows if row)  # type: ignore[return-value]


def _shelf(shelf: dict[str, Any], kind: str) -> Table:
    how = shelf["how"]
    table = Table(
        title=f"{shelf['user_id']} ({kind}); release {shelf['release_id']}, "
        f"{how['vector']} over {how['search']}",
        title_justify="left",
    )
    for column in ("", "title", "score", "why"):
        table.add_column(column)
    for item in shelf["items"]:
        score = shown_score(item["score"], item["inner_product"])
        table.add_row(str(item["rank"]), item["title"] or "", score, item["why"] or "")
    return table
