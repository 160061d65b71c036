"""The table for a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from colisten.evaluation.comparison import Measure
from colisten.evaluation.table import SLICES, EvaluationTable
from colisten.reports.verdict import headline_metrics, nothing_to_measure, number, verdicts


def to_rich(table: EvaluationTable) -> RenderableType:
    """Headline measures with intervals, then who wins; one line where nothing was measured."""
    if table.empty:
        return Text(nothing_to_measure(table))
    shown = Table(box=box.SIMPLE_HEAD, title=_title(table), title_justify="left", pad_edge=False)
    shown.add_column("model", no_wrap=True)
    for metric in headline_metrics(table):
        shown.add_column(metric, justify="right", no_wrap=True)
    for part in SLICES:
        shown.add_row(Text(f"{part} users ({table.users[part]:,})", style="bold"))
        for model in table.models:
            row = table.row(model, part)
            style = "bold green" if model == table.subject else ""
            cells = [_cell(row.metrics[metric], style) for metric in headline_metrics(table)]
            shown.add_row(Text(f"  {model}", style=style), *cells)
        shown.add_section()
    return Group(shown, *(Text(sentence) for sentence in verdicts(table)))


def _title(table: EvaluationTable) -> str:
    return (
        f"Items of type {table.target_type} first started in the {table.window_days} days from "
        f"{table.cut[:10]}, {table.candidates:,} candidates, {table.confidence:.0%} intervals"
    )


def _cell(measure: Measure, style: str) -> Text:
    text = Text(number(measure.value), style=style)
    if measure.low is not None and measure.high is not None:
        text.append(f" {_short(measure.low)}-{_short(measure.high)}", style="dim")
    return text


def _short(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")
