"""`colisten run`: the whole road from tables to a release, on this machine."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import colisten
from colisten.config import Settings, load_settings
from colisten.data.checks import check_tables
from colisten.data.prepare import check_cut
from colisten.data.rehearsal import rehearsal_cut
from colisten.errors import ConfigError
from colisten.files import combined_digest, file_digest, folder_digests

DataOption = Annotated[
    Path, typer.Option("--data", help="Folder of contract tables (see docs/tables.md).")
]
CutOption = Annotated[
    str, typer.Option("--cut", help="Moment (UTC, YYYY-MM-DD) that ends all learning.")
]
WindowOption = Annotated[
    int, typer.Option("--window-days", min=1, help="Days after the cut that measure the release.")
]
OutOption = Annotated[
    Path, typer.Option("--out", help="Folder that owns releases, features and reports.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="YAML file of settings (see docs/settings.md).")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, as section.name=value; repeatable.")
]


def run(
    data: DataOption,
    cut: CutOption,
    out: OutOption,
    window_days: WindowOption = 90,
    config: ConfigOption = None,
    overrides: SetOption = None,
    use_cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Reuse unchanged steps of earlier runs.")
    ] = True,
) -> None:
    """Train, evaluate and release on your own tables.

    Checks the tables, builds the co-listening graph as of the cut, trains the HGNN and the two
    towers, measures them against baselines, publishes a release and promotes it if its gate
    passes. Writes recommendations.parquet, metrics.json, releases/ and reports/ under --out.
    Nothing at or after the cut is used for anything but measuring.

    Interrupted? Run the same command again: finished steps are not repeated.

    Example: colisten run --data tables --cut 2025-06-16 --window-days 14 --out out
    """
    console = Console(stderr=True)
    settings = load_settings(config, tuple(overrides or ()))
    started = time.monotonic()
    execute(data, parse_cut(cut), window_days, out, settings, console=console, use_cache=use_cache)
    show_outcome(out, wide_console())
    console.print(f"Done in {time.monotonic() - started:.0f} s.")


def execute(
    data: Path,
    cut: datetime,
    window_days: int,
    out: Path,
    settings: Settings,
    *,
    console: Console,
    use_cache: bool = True,
) -> None:
    """Check the tables, then run the release pipeline locally; raises as its steps do."""
    # Broken tables are refused here, before anything is written.
    check_tables(data, settings=settings)
    check_cut(data, cut=cut, settings=settings)
    from pipelines.local import StepEvent, run_local
    from pipelines.release_pipeline import release_pipeline

    out = out.resolve()
    arguments: dict[str, Any] = {
        "data": str(data.resolve()),
        "data_digest": tables_digest(data),
        "cut": cut.isoformat(),
        "rehearsal_cut": rehearsal_cut(
            data, cut=cut, window_days=window_days, target_type=settings.data.target_type
        ).isoformat(),
        "window_days": window_days,
        "home": str(out),
        "checkpoints": str(out / "cache" / "checkpoints"),
        "settings": settings.to_json(),
        "code": code_digest(),
    }
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("starting", total=None)

        def listen(event: StepEvent) -> None:
            if event.state == "started":
                bar.update(task, description=event.step)
            elif event.state == "cached":
                console.print(f"  [dim]{event.step:<28} unchanged[/dim]")
            else:
                mark = "[green]done[/green]" if event.state == "done" else "[red]failed[/red]"
                console.print(f"  {event.step:<28} {mark} {event.seconds:6.1f} s")

        run_local(
            release_pipeline,
            arguments,
            root=out / "pipeline",
            use_cache=use_cache,
            listen=listen,
        )


def wide_console() -> Console:
    """Standard output; where that is no terminal, wide enough for a table with intervals."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 120))


def show_outcome(out: Path, console: Console) -> None:
    """Print the evaluation table, the release and where everything lies."""
    from colisten.evaluation.table import EvaluationTable
    from colisten.evaluation.terminal import to_rich

    metrics = json.loads((out / "metrics.json").read_text())
    console.print(to_rich(EvaluationTable.model_validate(metrics["test"])))
    release = metrics["release"]
    state = "live" if release["promoted"] else f"not promoted: {'; '.join(release['reasons'])}"
    console.print(f"Release [bold]{release['release_id']}[/bold] ({state})")
    for name in ("recommendations.parquet", "metrics.json", "releases", "reports"):
        console.print(f"  {out / name}")


def parse_cut(text: str) -> datetime:
    """A UTC moment from YYYY-MM-DD or ISO 8601; raises ConfigError otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--cut '{text}' is not a date.", "Write it as 2025-06-16.") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def tables_digest(data: Path) -> str:
    """Content digest of every parquet file directly in `data`."""
    return combined_digest(
        {file.name: file_digest(file) for file in sorted(data.glob("*.parquet"))}
    )


def code_digest() -> str:
    """Digest of the installed colisten sources, so that a cached step never outlives its code."""
    root = Path(colisten.__file__).parent
    digests = {
        f"{room}/{name}": digest
        for room in (root, *(root.parent / name for name in ("components", "feature_repo")))
        for name, digest in folder_digests(room).items()
        if name.endswith(".py")
    }
    return hashlib.sha256(combined_digest(digests).encode()).hexdigest()[:16]
