"""`colisten run`: the whole road from tables to a release, on this machine."""

from __future__ import annotations

import shlex
import sys
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
    LateCutOption,
    OutOption,
    SetOption,
    WindowOption,
    load_with_target,
    parse_cut,
)
from colisten.data import parquet
from colisten.json_files import to_json
from colisten.terminal import Terminal

if TYPE_CHECKING:
    from colisten.steps.use_cases.run import RunResult


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
    allow_late_cut: LateCutOption = False,
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
            allow_late_cut=allow_late_cut,
            listen=listen,
        )
    if as_json:
        print_document(run_document(result))
    else:
        console = wide_console()
        show_outcome(result, console)
        show_next(result, out, console)
    Terminal(stderr=True).print(f"Done in {time.monotonic() - started:.0f} s.")


def wide_console() -> Terminal:
    """Standard output; where that is no terminal, wide enough for a table with intervals."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=max(console.width, 120))


def show_outcome(result: RunResult, console: Terminal) -> None:
    """Print the table, the release and the headline."""
    from colisten.evaluation.headline import headlines
    from colisten.reports.terminal import to_rich
    from colisten.reports.verdict import headline_sentence

    console.print(to_rich(result.table))
    state = "live" if result.promoted else f"not promoted: {' '.join(result.reasons)}"
    console.print(Text.assemble("Release ", (result.release_id, "bold"), f" ({state})"))
    for warning in result.warnings:
        console.print(Text(f"Notice: {warning}"), soft_wrap=True)
    for each in headlines(result.table):
        console.print(Text(headline_sentence(each)), soft_wrap=True)


def _places(out: Path) -> list[Path]:
    """What there is to look at."""
    pages = sorted((out / "reports").glob("*.html"))
    return [*pages, out / "metrics.json", out / "recommendations.parquet"]


def run_document(result: RunResult) -> dict[str, Any]:
    """What a run made, for scripts; all figures are in metrics.json."""
    from colisten.evaluation.headline import headlines
    from colisten.reports.verdict import headline_sentence

    return {
        "release_id": result.release_id,
        "promoted": result.promoted,
        "reasons": result.reasons,
        "warnings": result.warnings,
        "seeds": result.seeds,
        "headline": [headline_sentence(each) for each in headlines(result.table)],
        "files": _places(result.out),
        "next": next_commands(result.out, live=result.promoted),
    }


def show_next(result: RunResult, out: Path, console: Terminal) -> None:
    """Print where everything lies and what to do with the release."""
    console.print("Look at:")
    for place in _places(out):
        console.print(f"  {place}", soft_wrap=True)
    console.print("Next:")
    for line in next_commands(out, live=result.promoted):
        console.print(f"  {line}", soft_wrap=True, highlight=False)


def next_commands(out: Path, *, live: bool) -> list[str]:
    """What to do with a release: commands that run as they are printed.

    Args:
        out: Folder that owns it.
        live: Whether it is served; else only a look at why not helps.
    """
    folder = shlex.quote(str(out))
    program = shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "colisten" else "colisten"
    if not live:
        return [f"{program} release list --out {folder}"]
    from colisten.release.store import ReleaseStore

    # By what somebody does, who need not be anybody: output is copied around.
    store = ReleaseStore(out)
    manifest = store.show(store.resolve())
    item = parquet.read(out / "recommendations.parquet", columns=["item_id"])["item_id"][0].as_py()
    session = [{"item_id": item, "signal": manifest.start_signals[0]}]
    body = shlex.quote(to_json({"history": session, "k": 5}))
    return [
        f"{program} similar --out {folder} --item {shlex.quote(item)} -k 5",
        f"{program} serve --out {folder}",
        f"curl -H 'content-type: application/json' -d {body} http://127.0.0.1:3000/v1/recommend",
        f"{program} release show live --out {folder}",
        f"{program} explain --out {folder}",
    ]
