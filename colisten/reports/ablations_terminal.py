"""The ablations on a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from colisten.ablations.registry import FULL
from colisten.ablations.report import AblationReport, verdicts
from colisten.reports.verdict import headline_metrics, nothing_to_measure, number


def to_rich(report: AblationReport, part: str = "all") -> RenderableType:
    """Every row on one slice with its change against the full model, then who is surely hurt."""
    table = report.table
    if table.empty:
        return Text(nothing_to_measure(table))
    seeds = f"{len(report.seeds)} seed{'' if len(report.seeds) == 1 else 's'}"
    shown = Table(
        box=box.SIMPLE_HEAD,
        title=f"{part} users ({table.users[part]:,}), {seeds}, change against {FULL} with "
        f"{table.confidence:.0%} intervals",
        title_justify="left",
        pad_edge=False,
    )
    shown.add_column("", no_wrap=True)
    shown.add_column("model", no_wrap=True)
    for metric in headline_metrics(table):
        shown.add_column(metric, justify="right", no_wrap=True)
    letters = {each.name: each.row or "" for each in report.rows}
    for model in [*letters, *report.beside]:
        cells = [_cell(report, model, metric, part) for metric in headline_metrics(table)]
        style = "bold" if model == FULL else "" if model in letters else "dim"
        shown.add_row(letters.get(model, ""), Text(model, style=style), *cells)
    metric = headline_metrics(table)[0]
    return Group(shown, *(Text(sentence) for sentence in verdicts(report, metric, part)))


def _cell(report: AblationReport, model: str, metric: str, part: str) -> Text:
    text = Text(number(report.table.value(model, metric, part)))
    change = report.change(model, metric, part)
    if change is None:
        return text
    style = ("red" if change.value < 0 else "green") if change.sure else "dim"
    text.append(f" {change.value:+.4f}", style=style)
    if change.low is not None and change.high is not None:
        text.append(f" ({_short(change.low)} {_short(change.high)})", style="dim")
    return text


def _short(value: float) -> str:
    return f"{value:+.3f}".replace("0.", ".", 1)
