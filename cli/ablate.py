"""`colisten ablate`: what each ingredient of the model is worth, on your own tables."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from colisten.ablations.registry import ABLATIONS
from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import (
    CacheOption,
    ConfigOption,
    OptionalCutOption,
    OptionalDataOption,
    SetOption,
    WindowOption,
    parse_cut,
)
from colisten.cli.run import wide_console
from colisten.errors import ConfigError
from colisten.terminal import Terminal


def ablate(
    data: OptionalDataOption = None,
    cut: OptionalCutOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the results and finished steps."),
    ] = None,
    window_days: WindowOption = 90,
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
    as_json: JsonOption = False,
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
        if as_json:
            print_document(ABLATIONS)
        else:
            wide_console().print(_listed())
        return
    if data is None or cut is None or out is None:
        raise ConfigError(
            "ablate needs --data, --cut and --out.", "--list alone prints the ablations."
        )
    from colisten.cli.steps import shown_steps
    from colisten.reports.terminal import ablations_to_rich
    from colisten.steps.use_cases.ablate import ablate as ablate_steps

    started = time.monotonic()
    with shown_steps(out) as listen:
        report = ablate_steps(
            data,
            parse_cut(cut),
            out,
            only=only or (),
            config=config,
            overrides=overrides or (),
            window_days=window_days,
            seeds=seeds,
            use_cache=use_cache,
            listen=listen,
        )
    if as_json:
        print_document(report)
    else:
        console = wide_console()
        console.print(ablations_to_rich(report))
        for name in ("ablations.html", "ablations.json"):
            console.print(f"  {out / name}", soft_wrap=True)
    Terminal(stderr=True).print(f"Done in {time.monotonic() - started:.0f} s.")


def _listed() -> Table:
    """The registry, a line an ablation."""
    table = Table("paper", "name", "takes away", box=None, pad_edge=False)
    for each in ABLATIONS:
        table.add_row(each.row or "", Text(each.name, style="bold"), Text(each.removes))
    return table
