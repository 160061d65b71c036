"""The table as one HTML page that needs no network: verdicts, charts, all numbers."""

from __future__ import annotations

from colisten.evaluation.comparison import Measure
from colisten.evaluation.facts import POPULARITY
from colisten.evaluation.metrics import COVERAGE
from colisten.evaluation.table import SLICES, EvaluationTable
from colisten.reports.bars import bars
from colisten.reports.page import Page, escape, page
from colisten.reports.scatter import scatter
from colisten.reports.tiers import shown_models, tier_lines, tier_names
from colisten.reports.verdict import (
    chance,
    headline_metrics,
    nothing_to_measure,
    number,
    standing,
    verdicts,
)

_STYLE = """
:root { --ink: #1d2329; --soft: #5f6b76; --line: #dfe4e8; --bar: #9fb4c7; --own: #1d8348;
        --paper: #ffffff; --hue1: #d55e00; --hue2: #0072b2; --hue3: #b8508f; --hue4: #a68a00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --soft: #9aa6b2; --line: #343c45; --bar: #4f6a83; --own: #3fae6e;
          --paper: #14181c; --hue1: #f0a04b; --hue2: #5bb8f0; --hue3: #e08ac4; --hue4: #e3d25c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 84rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.soft { color: var(--soft); } .lead li { margin: .35rem 0; font-size: 1.05rem; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: .7rem .8rem; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--ink); font-size: 12px; }
svg .value { fill: var(--soft); } svg .bar { fill: var(--bar); } svg .own { fill: var(--own); }
svg line { stroke: var(--ink); stroke-width: 1.4; } svg line.grid { stroke: var(--line); }
svg .name { font-weight: 600; } svg .dot { fill: var(--ink); fill-opacity: .45; }
svg polyline { fill: none; stroke-width: 2; } svg polyline.chance { stroke-dasharray: 4 4; }
svg polyline.own, svg line.own { stroke: var(--own); } svg .chance { fill: var(--soft); }
svg polyline.chance, svg line.chance { stroke: var(--soft); }
svg .hue1 { fill: var(--hue1); stroke: var(--hue1); }
svg .hue2 { fill: var(--hue2); stroke: var(--hue2); }
svg .hue3 { fill: var(--hue3); stroke: var(--hue3); }
svg .hue4 { fill: var(--hue4); stroke: var(--hue4); }
svg polyline.own, svg polyline.chance, svg polyline[class^="hue"] { fill: none; }
.plots { display: grid; gap: 1rem; margin-top: 1rem;
         grid-template-columns: repeat(auto-fit, minmax(min(34rem, 100%), 1fr)); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
         white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; } tr.own td { font-weight: 600; }
td small { color: var(--soft); font-weight: 400; display: block; }
tr.slice td { padding-top: 1rem; font-weight: 600; } .sure { color: var(--own); font-weight: 600; }
"""


def to_html(table: EvaluationTable) -> Page:
    """A whole page, the same bytes for the same table."""
    if table.empty:
        body = f"<p>{escape(nothing_to_measure(table))}</p>"
    else:
        body = "\n".join(
            [
                _lead(table),
                "<h2>At a glance</h2>",
                f'<div class="charts">{_charts(table)}</div>',
                f'<div class="plots">{_plots(table)}</div>',
                "<h2>Every number</h2>",
                f'<div class="wide">{_numbers(table)}</div>',
                f"<h2>{escape(table.subject)} against every other model</h2>",
                f'<div class="wide">{_differences(table)}</div>',
                *_finer(table),
                "<h2>How it was measured</h2>",
                _method(table),
            ]
        )
    return page(
        f"Evaluation at {table.cut[:10]}",
        f"<h1>Who recommends best</h1>\n{_subtitle(table)}\n{body}",
        style=_STYLE,
    )


def _subtitle(table: EvaluationTable) -> str:
    return (
        f'<p class="soft">{escape(table.target_type)}s that users first streamed in the '
        f"{table.window_days} days from {escape(table.cut[:10])}; {table.users['all']:,} users, "
        f"{table.candidates:,} candidates, {table.targets:,} targets</p>"
    )


def _lead(table: EvaluationTable) -> str:
    sections = [f'<ul class="lead">{_items(verdicts(table))}</ul>']
    if len(table.models) > 1:
        sections.append(f"<ul>{_items(standing(table))}</ul>")
    for part in SLICES[1:]:
        sections.append(f"<h2>{part.capitalize()} users</h2>")
        sections.append(f"<ul>{_items(verdicts(table, part))}</ul>")
    return "\n".join(sections)


def _items(sentences: list[str]) -> str:
    return "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)


def _charts(table: EvaluationTable) -> str:
    charts = []
    for part in SLICES:
        for metric in headline_metrics(table):
            measures = {model: table.row(model, part).metrics[metric] for model in table.models}
            if table.users[part]:
                title = f"{metric}, {part} users"
                charts.append(_figure(title, bars(title, measures, table.subject)))
    return "\n".join(charts)


def _plots(table: EvaluationTable) -> str:
    hits = table.metrics[0]
    plots = [_figure(f"{hits} against coverage, all users", scatter(table))]
    if tier_names(table):
        some = len(shown_models(table)) < len(table.models)
        whom = ", the models with the best hit rates" if some else ""
        plots += [
            _figure(f"{metric} by popularity tier{whom}", tier_lines(table, metric))
            for metric in (hits, COVERAGE)
        ]
    return "\n".join(plots)


def _figure(caption: str, drawing: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{drawing}</figure>"


def _numbers(table: EvaluationTable) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in ("model", *table.metrics))
    rows = []
    for part in SLICES:
        rows.append(
            f'<tr class="slice"><td colspan="{len(table.metrics) + 1}">{part} users '
            f"({table.users[part]:,})</td></tr>"
        )
        for model in table.models:
            row = table.row(model, part)
            measures, seeds = row.metrics, f" ({row.seeds} seeds)" if row.seeds > 1 else ""
            cells = "".join(_cell(measures[metric]) for metric in table.metrics)
            own = ' class="own"' if model == table.subject else ""
            rows.append(f"<tr{own}><td>{escape(model)}{seeds}</td>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _finer(table: EvaluationTable) -> list[str]:
    """Headline measures on the finer slices: models down, slices across, a table a measure."""
    parts = list(dict.fromkeys(row.slice for row in table.finer))
    if not parts:
        return []
    users = {row.slice: row.users for row in table.finer}
    values = {(row.model, row.slice): row.metrics for row in table.finer}
    heads = "".join(f"<th>{escape(part)}<small> {users[part]:,}</small></th>" for part in parts)
    out = ["<h2>Tiers, new items, languages, lengths of history</h2>"]
    for metric in headline_metrics(table):
        rows = []
        for model in table.models:
            cells = "".join(_cell(values[model, part][metric]) for part in parts)
            own = ' class="own"' if model == table.subject else ""
            rows.append(f"<tr{own}><td>{escape(model)}</td>{cells}</tr>")
        out.append(
            f'<h3>{escape(metric)}</h3><div class="wide"><table><thead><tr><th>model</th>{heads}'
            f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        )
    out.append(
        "<p>A tier is a fifth of the items streamed before the cut, tier 1 the most streamed. On a "
        "slice of items only targets among them count, for the users who have one (their number "
        "stands beside the name); coverage is of those items.</p>"
    )
    return out


def _cell(measure: Measure) -> str:
    span = ""
    if measure.low is not None:
        span = f"<small>{number(measure.low)} to {number(measure.high)}</small>"
    if measure.spread is not None:
        span += f"<small>seeds ± {number(measure.spread)}</small>"
    return f"<td>{number(measure.value)}{span}</td>"


def _differences(table: EvaluationTable) -> str:
    head = "".join(
        f"<th>{name}</th>" for name in ("against", "users", "measure", "difference", "interval", "")
    )
    rows = []
    for each in table.differences:
        span = f"{number(each.low, signed=True)} to {number(each.high, signed=True)}"
        said = f"{'sure' if each.sure else 'not sure'}, {chance(each.p)}"
        if each.p_test is not None:
            said += f" (exact test: {chance(each.p_test)})"
        kind = ' class="sure"' if each.sure else ""
        rows.append(
            f"<tr><td>{escape(each.against)}</td><td>{escape(each.slice)}</td>"
            f"<td>{escape(each.metric)}</td><td>{number(each.value, signed=True)}</td>"
            f"<td>{span if each.low is not None else '–'}</td>"
            f"<td{kind}>{said}</td></tr>"
        )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _method(table: EvaluationTable) -> str:
    unreachable = (
        f" {table.unreachable_targets:,} of the targets were not in the catalogue at the cut; no "
        "model can reach them and they count as misses."
        if table.unreachable_targets
        else ""
    )
    kind = escape(table.target_type)
    return (
        f"<p>Everything before {escape(table.cut)} is history. Targets are {kind}s streamed for "
        f"the first time within {table.window_days} days by users with history.{unreachable} "
        f"Candidates are all {kind}s of the catalogue less those the user had streamed. Warm "
        f"users had any signal on a {kind} before, cold users none. MRR and coverage look at the "
        f"first {table.depth} places.</p><p>Intervals hold {table.confidence:.0%}. Those of means "
        f"come from {table.bootstrap:,} resamples of users, the same for every model, so "
        "differences are paired. Those of coverage, a union and not a mean, come from leaving out "
        f"one user at a time. {_scope(table)} They are not corrected for the number of "
        f"comparisons.</p>{_facts(table)}"
    )


def _scope(table: EvaluationTable) -> str:
    """What the intervals speak of."""
    seeds = {row.model: row.seeds for row in table.rows}
    several = [f"{model} ({count})" for model, count in seeds.items() if count > 1]
    if not several:
        return (
            "They speak of other users in this window, not of another training run or another "
            "window."
        )
    alone = (
        "; those of the other models hold no noise of training" if len(several) < len(seeds) else ""
    )
    return (
        "Values are means over the trainings of a model, dots are single trainings, and ± is their "
        "standard deviation. Intervals speak of other users in this window and of other training "
        f"seeds, for the models trained under several: {escape(', '.join(several))}{alone}. They "
        "do not speak of another window."
    )


def _facts(table: EvaluationTable) -> str:
    if POPULARITY not in table.metrics:
        return ""
    return (
        f"<p>Of the first {table.k} places, whether hit or not: popularity is the mean of log2(1 + "
        "users who streamed the item before the cut), novelty the mean self-information of items "
        "in bits, diversity 1 less the mean cosine of two items' texts. More is not better or "
        "worse; they say what kind of list a model makes.</p>"
    )
