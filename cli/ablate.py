"""`colisten ablate`: what each ingredient of the model is worth, on your own tables."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from colisten.ablations.registry import ABLATIONS, FULL, Ablation, select
from colisten.cli.inputs import (
    CacheOption,
    ConfigOption,
    SetOption,
    parse_cut,
)
from colisten.cli.run import wide_console
from colisten.data.checks import check_tables
from colisten.data.prepare import check_cut, cut_notices
from colisten.errors import ConfigError
from colisten.json_files import write_json
from colisten.pages import write_page
from colisten.settings.tree import Settings, load_settings
from colisten.terminal import Terminal


def ablate(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of contract tables (see docs/tables.md).")
    ] = None,
    cut: Annotated[
        str | None, typer.Option("--cut", help="Moment (UTC, YYYY-MM-DD) that ends all learning.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the results and finished steps.")
    ] = None,
    window_days: Annotated[
        int, typer.Option("--window-days", min=1, help="Days after the cut that measure.")
    ] = 90,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", min=1, help="Trainings of every row; from 3 on a difference means something."
        ),
    ] = 1,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Run this ablation alone; repeatable."),
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    use_cache: CacheOption = True,
    show: Annotated[bool, typer.Option("--list", help="Print all ablations and stop.")] = False,
) -> None:
    """Take one ingredient away at a time and measure what it was worth.

    Fits the full model and every ablation as of the cut, each under --seeds seeds, and measures
    all of them on the same users of the window after it: the paper's ablation, every ingredient of
    the default settings, and the paper's own recipe. Rows that differ in the towers alone share
    one graph and one HGNN. Nothing is released.

    Writes ablations.json and ablations.html under --out. Interrupted? Run the same command again:
    finished steps are not repeated.

    \b
    Example: what are the graph and its balanced sampling worth?
      colisten ablate --data tables --cut 2025-06-16 --window-days 14 --out ablations \\
        --seeds 3 --only no-graph --only no-balance
    """
    if show:
        wide_console().print(_listed())
        return
    if data is None or cut is None or out is None:
        raise ConfigError(
            "ablate needs --data, --cut and --out.", "--list alone prints the ablations."
        )
    started = time.monotonic()
    console = Terminal(stderr=True)
    chosen = select(only or (), load_settings(config, tuple(overrides or ())).data)
    settings_of = {
        each.name: load_settings(config, (*(overrides or ()), *each.overrides)) for each in chosen
    }
    kept, skipped = _told_apart(chosen, settings_of)
    for each in skipped:
        console.print(f"{each.name}: nothing to take away under these settings, left out.")
    settings = settings_of[FULL]
    moment = parse_cut(cut)
    check_tables(data, settings=settings)
    check_cut(data, cut=moment, window_days=window_days, settings=settings, only_measures=True)
    for notice in cut_notices(data, cut=moment, window_days=window_days, settings=settings):
        console.print(Text(f"Notice: {notice}"), soft_wrap=True)
    from colisten.ablations.report import AblationReport
    from colisten.cli.trials import Window, run_trials
    from colisten.reports.ablations import to_html
    from colisten.reports.ablations_terminal import to_rich
    from colisten.steps.trials import ablation_trials

    table = run_trials(
        Window(data, moment, window_days),
        out,
        ablation_trials(kept, settings_of, seeds),
        settings,
        subject=FULL,
        console=console,
        use_cache=use_cache,
    )
    report = AblationReport.of(
        kept, skipped, [settings.seed + number for number in range(seeds)], table
    )
    page, figures = out / "ablations.html", out / "ablations.json"
    write_page(page, to_html(report))
    write_json(figures, report)
    shown = wide_console()
    shown.print(to_rich(report))
    for file in (page, figures):
        shown.print(f"  {file}", soft_wrap=True)
    console.print(f"Done in {time.monotonic() - started:.0f} s.")


def _told_apart(
    ablations: tuple[Ablation, ...], settings_of: dict[str, Settings]
) -> tuple[list[Ablation], list[Ablation]]:
    """Those that differ from the full model, with it, and those that do not."""
    # A preset is where values came from, not a value that anything reads.
    values = {
        each.name: (settings_of[each.name].model_copy(update={"preset": "default"}), each.blocks)
        for each in ablations
    }
    kept = [each for each in ablations if each.is_full or values[each.name] != values[FULL]]
    return kept, [each for each in ablations if each not in kept]


def _listed() -> Table:
    """The registry, a line an ablation."""
    table = Table("paper", "name", "takes away", box=None, pad_edge=False)
    for each in ABLATIONS:
        table.add_row(each.row or "", Text(each.name, style="bold"), Text(each.removes))
    return table
