"""`colisten run`: the whole road from tables to a release, on this machine."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from colisten.cli.inputs import (
    CacheOption,
    ConfigOption,
    CutOption,
    DataOption,
    OutOption,
    SetOption,
    WindowOption,
    parse_cut,
    parse_target,
    tables_digest,
)
from colisten.data.backtest import backtest_cut
from colisten.data.checks import check_tables
from colisten.data.prepare import cut_notices
from colisten.files import located, sweep_abandoned
from colisten.json_files import read_mapping, read_model, to_json, write_json
from colisten.pages import write_page
from colisten.settings.sections import ITEM_TYPES, ItemType
from colisten.settings.tree import Settings, load_settings
from colisten.terminal import Terminal

if TYPE_CHECKING:
    from colisten.evaluation.table import EvaluationTable


def run(
    data: DataOption,
    cut: CutOption,
    out: OutOption,
    window_days: WindowOption = 90,
    target: Annotated[
        ItemType | None,
        typer.Option(
            "--target",
            parser=parse_target,
            metavar="|".join(ITEM_TYPES),
            help="Item type to recommend; the other one helps. Short for data.target_type and "
            "data.context_types.",
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
) -> None:
    """Train, evaluate and release on your own tables.

    Checks the tables, builds the co-listening graph as of the cut, trains the HGNN and the two
    towers, measures them against baselines, publishes a release and promotes it if its gate
    passes. Writes recommendations.parquet, metrics.json, releases/ and reports/ under --out.
    Nothing at or after the cut is used for anything but measuring.

    Interrupted? Run the same command again: finished steps are not repeated.

    Example: colisten run --data tables --cut 2025-06-16 --window-days 14 --out out
    """
    console = Terminal(stderr=True)
    settings = load_settings(config, (*target_overrides(target), *(overrides or ())))
    started = time.monotonic()
    execute(
        data,
        parse_cut(cut),
        window_days,
        out,
        settings,
        console=console,
        seeds=seeds,
        use_cache=use_cache,
    )
    show_outcome(out, wide_console())
    console.print(f"Done in {time.monotonic() - started:.0f} s.")


def execute(
    data: Path,
    cut: datetime,
    window_days: int,
    out: Path,
    settings: Settings,
    *,
    console: Terminal,
    seeds: int = 1,
    use_cache: bool = True,
) -> None:
    """Check the tables, then run the release pipeline locally; raises as its steps do."""
    # Broken tables are refused here, before anything is written.
    report = check_tables(data, settings=settings)
    short_of = cut_notices(data, cut=cut, window_days=window_days, settings=settings)
    for notice in (*report.notices, *short_of):
        console.print(Text(f"Notice: {notice}"), soft_wrap=True)
    from colisten.cli.steps import shown_steps
    from colisten.evaluation.table import EvaluationTable
    from colisten.pipelines.local import run_local
    from colisten.pipelines.parameters import step_parameters
    from colisten.pipelines.release_pipeline import release_pipeline

    out = located(out)
    sweep_abandoned(out)
    arguments: dict[str, Any] = {
        "data": str(located(data)),
        "data_digest": tables_digest(data),
        "cut": cut.isoformat(),
        "backtest_cut": backtest_cut(
            data, cut=cut, window_days=window_days, data=settings.data
        ).isoformat(),
        "window_days": window_days,
        "home": str(out),
        "checkpoints": str(out / "cache" / "checkpoints"),
        "text_cache": str(out / "cache" / "text"),
        **step_parameters(release_pipeline, settings),
    }
    with shown_steps(console) as listen:
        left = run_local(
            release_pipeline,
            arguments,
            root=out / "pipeline",
            use_cache=use_cache,
            listen=listen,
        )
    table = read_model(Path(left["table"].path), EvaluationTable)
    if seeds > 1:
        from colisten.cli.trials import Window, run_trials
        from colisten.steps.trials import further_seeds

        table = run_trials(
            Window(data, cut, window_days),
            out,
            further_seeds(settings, seeds),
            settings,
            subject=table.subject,
            console=console,
            measured=Path(left["lists"].path),
            use_cache=use_cache,
        )
    _write_measured(out, table, [settings.seed + number for number in range(seeds)])


def _write_measured(out: Path, table: EvaluationTable, seeds: list[int]) -> None:
    """Put the figures of all seeds into metrics.json and on the page."""
    from colisten.reports.evaluation import to_html

    metrics = read_mapping(out / "metrics.json")
    metrics |= {"seeds": seeds, "test": table.model_dump(mode="json")}
    write_page(out / "reports" / "evaluation.html", to_html(table))
    write_json(out / "metrics.json", metrics)


def wide_console() -> Terminal:
    """Standard output; where that is no terminal, wide enough for a table with intervals."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=max(console.width, 120))


def show_outcome(out: Path, console: Terminal) -> None:
    """Print the evaluation table, the release and where everything lies."""
    from colisten.evaluation.table import EvaluationTable
    from colisten.reports.terminal import to_rich

    metrics = read_mapping(out / "metrics.json")
    console.print(to_rich(EvaluationTable.model_validate(metrics["test"])))
    release = metrics["release"]
    state = "live" if release["promoted"] else f"not promoted: {' '.join(release['reasons'])}"
    console.print(Text.assemble("Release ", (release["release_id"], "bold"), f" ({state})"))
    for warning in release.get("warnings", ()):
        console.print(Text(f"Notice: {warning}"), soft_wrap=True)
    for name in ("recommendations.parquet", "metrics.json", "releases", "reports"):
        console.print(f"  {out / name}")


def target_overrides(target: ItemType | None) -> tuple[str, ...]:
    """`--target` as overrides."""
    if target is None:
        return ()
    others = [name for name in ITEM_TYPES if name != target]
    return (f"data.target_type={target}", f"data.context_types={to_json(others)}")
