"""Tables for a terminal: every model side by side, what each ablation changes, a model card."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from colisten.ablations.registry import FULL
from colisten.ablations.report import AblationReport
from colisten.ablations.report import verdicts as ablation_verdicts
from colisten.evaluation.comparison import Measure
from colisten.evaluation.table import SLICES, EvaluationTable
from colisten.release.backtest import Figure
from colisten.release.card import ABOVE, BELOW, Card, Standing, window
from colisten.reports.reliability import scores_in_words
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


def ablations_to_rich(report: AblationReport, part: str = "all") -> RenderableType:
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
        cells = [_change(report, model, metric, part) for metric in headline_metrics(table)]
        style = "bold" if model == FULL else "" if model in letters else "dim"
        shown.add_row(letters.get(model, ""), Text(model, style=style), *cells)
    metric = headline_metrics(table)[0]
    return Group(shown, *(Text(sentence) for sentence in ablation_verdicts(report, metric, part)))


def _change(report: AblationReport, model: str, metric: str, part: str) -> Text:
    text = Text(number(report.table.value(model, metric, part)))
    change = report.change(model, metric, part)
    if change is None:
        return text
    style = ("red" if change.value < 0 else "green") if change.sure else "dim"
    text.append(f" {change.value:+.4f}", style=style)
    if change.low is not None and change.high is not None:
        text.append(f" ({_signed(change.low)} {_signed(change.high)})", style="dim")
    return text


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("0.", ".", 1)


def card_to_rich(card: Card) -> RenderableType:
    """For whom a release is good, what it is not good at, and what its training chose."""
    parts: list[RenderableType] = [Text(window(card))]
    if card.standing:
        parts.append(_standings(card))
    parts.append(Text("Not good at, or not known to be:", style="bold"))
    parts += [Text(f"- {sentence}") for sentence in card.limits]
    parts.append(Text("What its scores are worth:", style="bold"))
    parts += [Text(f"- {sentence}") for sentence in scores_in_words(card.scores)]
    for choice in card.choices:
        parts.append(Text.assemble((choice.question, "bold"), f" {choice.chosen}: {choice.reason}"))
        parts += [
            Text(f"  {name}: MRR {one.mrr:.4f} ± {one.error:.4f}, {one.users:,} users")
            for name, one in choice.candidates.items()
        ]
    if not card.choices:
        parts.append(Text("Form: as the settings say; its training records no choice."))
    made = ", ".join(f"{name} {version}" for name, version in card.software.items())
    parts.append(Text(f"Software: {made or 'not recorded'}."))
    return Group(*parts)


def _standings(card: Card) -> Table:
    """A line for the release, for popular items, for the best of the others and for the verdict."""
    metrics = list(dict.fromkeys(one.metric for one in card.standing))
    shown = Table(
        box=box.SIMPLE_HEAD,
        title=f"For whom it is good, {card.confidence:.0%} intervals",
        title_justify="left",
        pad_edge=False,
    )
    shown.add_column("users", no_wrap=True)
    for metric in metrics:
        shown.add_column(metric, no_wrap=True)
    for part, users in card.users.items():
        found = {one.metric: one for one in card.standing if one.part == part}
        own = [found[metric] for metric in metrics if metric in found]
        shown.add_row(Text(f"{part} ({users:,})", style="bold"))
        shown.add_row(f"  {card.subject}", *(_figure(one.own) for one in own))
        shown.add_row("  popularity", *(_figure(one.popular) for one in own))
        shown.add_row("  best other", *(_figure(one.best, one.rival or "") for one in own))
        shown.add_row("  verdict", *(_verdict(one) for one in own))
    return shown


def _figure(figure: Figure | None, whose: str = "") -> Text:
    if figure is None:
        return Text(number(None))
    return _cell(Measure(value=figure.value, low=figure.low, high=figure.high), "").append(
        f" {whose}" if whose else "", style="dim"
    )


def _verdict(one: Standing) -> Text:
    return Text(one.verdict, style={ABOVE: "green", BELOW: "red"}.get(one.verdict, "dim"))
