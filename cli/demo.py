"""`colisten demo`: the whole road on a simulated world, in one command."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from rich.table import Table

from colisten.child import supervised
from colisten.cli.experiment import drawn
from colisten.cli.run import show_outcome, wide_console
from colisten.cli.steps import shown_steps
from colisten.data import parquet
from colisten.data.moments import parse_moment
from colisten.errors import PipelineError
from colisten.interrupts import interruptible
from colisten.json_files import parse_json, to_json
from colisten.settings.tree import Settings
from colisten.simulator import WorldSettings, simulate
from colisten.steps.use_cases.experiment import compare_experiment, simulate_experiment

READY_SECONDS = 90


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything.")] = Path("demo-out"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, another world.")] = 0,
) -> None:
    """Simulate a world, train, release, serve two shelves and read an A/B test.

    Everything lands under --out: world/ (tables and planted truth) and run/ (what `colisten run`
    writes). Run again: unchanged steps are not repeated.
    """
    from colisten.steps.use_cases.run import run

    started = time.monotonic()
    console = wide_console()
    world, home = out / "world", out / "run"
    console.rule("1. A world of listeners")
    report = simulate(world, WorldSettings(seed=seed))
    console.print(report)

    console.rule("2. From tables to a release")
    cut = parse_moment(str(report.cut), "cut")
    with shown_steps(home) as listen:
        result = run(
            world, cut, home, Settings(seed=seed), window_days=report.window_days, listen=listen
        )
    show_outcome(result, home, console)

    console.rule("3. Two shelves from the running service")
    warm, cold = _two_users(world, cut)
    with _service(home) as address:
        for user, kind in ((warm, "warm: has audiobooks"), (cold, "cold: podcasts only")):
            console.print(_shelf(_ask(address, user), kind))

    console.rule("4. Three arms in the simulated world")
    exposures, events = simulate_experiment(world, home, days=report.window_days, seed=seed)
    console.print(f"{exposures:,} items shown, {events:,} events in answer")
    page = home / "reports" / "experiment.html"
    console.print(drawn(compare_experiment(world, home / "experiment", page), page))

    console.rule("Where to look")
    for name in ("graph.html", "drift.html", "experiment.html"):
        console.print(f"  {home / 'reports' / name}", soft_wrap=True)
    console.print(f"  {home / 'metrics.json'}", soft_wrap=True)
    console.print(f"Done in {time.monotonic() - started:.0f} s.")


def _two_users(world: Path, cut: datetime) -> tuple[str, str]:
    """A user who streamed several audiobooks before the cut and one who never touched any."""
    with interruptible(duckdb.connect()) as connection:
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
        found = [
            connection.execute(users.format(condition), [cut]).fetchone()
            for condition in ("books BETWEEN 5 AND 12", "books = 0")
        ]
    if any(row is None for row in found):
        raise PipelineError("The world has no warm or no cold user.", "Simulate more users.")
    return tuple(str(row[0]) for row in found if row)  # type: ignore[return-value]


@contextmanager
def _service(home: Path) -> Iterator[str]:
    """The real service on a free port, which ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "colisten", "serve"]
    with (home / "service.log").open("w") as log:
        command += ["--out", str(home), "--port", str(port)]
        with supervised(command, stdout=log, stderr=log) as process:
            _wait(process, f"{address}/readyz", home / "service.log")
            yield address


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise PipelineError("The service did not get ready.", f"Its log is {log}.")


def _ask(address: str, user: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{address}/recommend",
        data=to_json({"user_id": user, "k": 5}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        shelf: dict[str, Any] = parse_json(answer.read())
    return shelf


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
        score = "" if item["score"] is None else f"{item['score']:.3f}"
        table.add_row(str(item["rank"]), item["title"] or "", score, item["why"] or "")
    return table
