"""`colisten run`: the whole road from tables to a release, on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import (
    CacheOption,
    ConfigOption,
    CutOption,
    DataOption,
    OutOption,
    SetOption,
    WindowOption,
    load_with_target,
    parse_cut,
)
from colisten.terminal import Terminal

if TYPE_CHECKING:
    from colisten.steps.use_cases.run import RunResult

RESULTS = ("recommendations.parquet", "metrics.json", "releases", "reports")


def run(
    data: DataOption,
    cut: CutOption,
    out: OutOption,
    window_days: WindowOption = 90,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="TYPE",
            help="Item type to recommend; the others that settings name help. Short for "
            "data.target_type and data.context_types.",
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds",
            min=1,
            help="Trainings to measure: the release is that of `seed`, the figures after the cut "
            "are means over seed, seed + 1 and so on, with intervals that hold their noise.",
        ),
    ] = 1,
    config: ConfigOption = None,
    overrides: SetOption = None,
    use_cache: CacheOption = True,
    as_json: JsonOption = False,
) -> None:
    """Train, evaluate and release on your own tables.

    Checks the tables, builds the co-listening graph as of the cut, trains the HGNN and the two
    towers, measures them against baselines, publishes a release and promotes it if its gate
    passes. Writes recommendations.parquet, metrics.json, releases/ and reports/ under --out.
    Nothing at or after the cut is used for anything but measuring.

    Interrupted? Run the same command again: finished steps are not repeated.

    Example: colisten run --data tables --cut 2025-06-16 --window-days 14 --out out
    """
    from colisten.cli.steps import shown_steps
    from colisten.steps.use_cases.run import run as run_steps

    settings = load_with_target(config, overrides, target)
    started = time.monotonic()
    with shown_steps(out) as listen:
        result = run_steps(
            data,
            parse_cut(cut),
            out,
            settings,
            window_days=window_days,
            seeds=seeds,
            use_cache=use_cache,
            listen=listen,
        )
    if as_json:
        print_document(run_document(result))
    else:
        show_outcome(result, out, wide_console())
    Terminal(stderr=True).print(f"Done in {time.monotonic() - started:.0f} s.")


def wide_console() -> Terminal:
    """Standard output; where that is no terminal, wide enough for a table with intervals."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=max(console.width, 120))


def show_outcome(result: RunResult, out: Path, console: Terminal) -> None:
    """Print the evaluation table, the release and where everything lies."""
    from colisten.reports.terminal import to_rich

    console.print(to_rich(result.table))
    state = "live" if result.promoted else f"not promoted: {' '.join(result.reasons)}"
    console.print(Text.assemble("Release ", (result.release_id, "bold"), f" ({state})"))
    for warning in result.warnings:
        console.print(Text(f"Notice: {warning}"), soft_wrap=True)
    for name in RESULTS:
        console.print(f"  {out / name}")


def run_document(result: RunResult) -> dict[str, Any]:
    """What a run made, for scripts; the figures are in metrics.json."""
    return {
        "release_id": result.release_id,
        "promoted": result.promoted,
        "reasons": result.reasons,
        "warnings": result.warnings,
        "seeds": result.seeds,
        "files": [result.out / name for name in RESULTS],
    }
