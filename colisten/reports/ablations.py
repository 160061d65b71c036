"""The ablations as one HTML page that needs no network: who is hurt by what."""

from __future__ import annotations

from colisten.ablations.registry import FULL
from colisten.ablations.report import AblationReport, verdicts
from colisten.evaluation.comparison import Contrast
from colisten.evaluation.table import SLICES
from colisten.reports.page import Page, escape, page
from colisten.reports.verdict import headline_metrics, nothing_to_measure, number

_STYLE = """
:root { --ink: #1d2329; --soft: #5f6b76; --line: #dfe4e8; --dot: #7d93a8; --bad: #b03a2e;
        --good: #1d8348; --paper: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --soft: #9aa6b2; --line: #343c45; --dot: #7d93a8; --bad: #e57366;
          --good: #3fae6e; --paper: #14181c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 76rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.soft { color: var(--soft); } .bad { color: var(--bad); } .good { color: var(--good); }
li { margin: .35rem 0; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: .7rem .8rem; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--ink); font-size: 12px; }
svg line { stroke: var(--dot); stroke-width: 1.6; } svg .zero { stroke: var(--soft);
  stroke-dasharray: 3 3; stroke-width: 1; } svg circle { fill: var(--dot); }
svg .bad { stroke: var(--bad); } svg circle.bad { fill: var(--bad); stroke: none; }
svg .good { stroke: var(--good); } svg circle.good { fill: var(--good); stroke: none; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
         white-space: nowrap; font-variant-numeric: tabular-nums; }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; }
td:nth-child(3) { white-space: normal; min-width: 14rem; } tr.full td { font-weight: 600; }
tr.beside td { color: var(--soft); } td small { color: var(--soft); font-weight: 400;
         display: block; }
code { font-size: .9em; }
"""
_ROW, _LABEL, _WIDTH = 22, 160, 460


def to_html(report: AblationReport) -> Page:
    """A whole page, the same bytes for the same report."""
    table = report.table
    if table.empty:
        body = f"<p>{escape(nothing_to_measure(table))}</p>"
    else:
        parts = [part for part in SLICES if table.users[part]]
        body = "\n".join(
            [
                f"<ul>{_items(verdicts(report, headline_metrics(table)[0]))}</ul>",
                *(_slice(report, part) for part in parts),
                "<h2>What was taken away, and how</h2>",
                f'<div class="wide">{_registry(report)}</div>',
                "<h2>How it was measured</h2>",
                _method(report),
            ]
        )
    return page(
        f"Ablations at {table.cut[:10]}",
        f"<h1>What each ingredient is worth</h1>\n{_subtitle(report)}\n{body}",
        style=_STYLE,
    )


def _subtitle(report: AblationReport) -> str:
    table = report.table
    seeds = ", ".join(map(str, report.seeds))
    return (
        f'<p class="soft">{escape(table.target_type)}s that users first streamed in the '
        f"{table.window_days} days from {escape(table.cut[:10])}; {table.users['all']:,} users, "
        f"{table.candidates:,} candidates; training seeds {seeds}</p>"
    )


def _items(sentences: list[str]) -> str:
    return "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)


def _slice(report: AblationReport, part: str) -> str:
    metrics = headline_metrics(report.table)
    charts = "".join(
        f"<figure><figcaption>{escape(metric)}, change against {escape(FULL)}</figcaption>"
        f"{_chart(report, metric, part)}</figure>"
        for metric in metrics
    )
    heads = "".join(f"<th>{escape(metric)}</th><th>change</th>" for metric in metrics)
    removes = {each.name: (each.row or "", each.removes) for each in report.rows}
    rows = []
    for model in [*removes, *report.beside]:
        letter, what = removes.get(model, ("", "for scale"))
        kind = "full" if model == FULL else "" if model in removes else "beside"
        cells = "".join(
            f"<td>{number(report.table.value(model, metric, part))}</td>"
            f"<td>{_change(report.change(model, metric, part))}</td>"
            for metric in metrics
        )
        rows.append(
            f'<tr class="{kind}"><td>{escape(letter)}</td><td>{escape(model)}</td>'
            f"<td>{escape(what)}</td>{cells}</tr>"
        )
    return (
        f"<h2>{part.capitalize()} users ({report.table.users[part]:,})</h2>"
        f'<div class="charts">{charts}</div><div class="wide"><table><thead><tr><th></th>'
        f"<th>model</th><th>without</th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody>"
        "</table></div>"
    )


def _change(change: Contrast | None) -> str:
    if change is None:
        return "–"
    said = f'<span class="{_kind(change)}">{number(change.value, signed=True)}</span>'
    if change.low is None:
        return said
    span = f"{number(change.low, signed=True)} to {number(change.high, signed=True)}"
    return f"{said} <small>{span}</small>"


def _kind(change: Contrast) -> str:
    if not change.sure:
        return ""
    return "bad" if change.value < 0 else "good"


def _chart(report: AblationReport, metric: str, part: str) -> str:
    """A dot and its interval for every row, on one scale around zero."""
    changes = {
        each.name: change
        for each in report.rows
        if (change := report.change(each.name, metric, part)) is not None
    }
    ends = [
        abs(end)
        for change in changes.values()
        for end in (change.value, change.low, change.high)
        if end is not None
    ]
    middle = (_WIDTH + _LABEL) / 2
    scale = (_WIDTH - middle - 8) / (max(ends, default=0.0) or 1.0)
    height = _ROW * len(changes)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(metric)}, {part}">',
        f'<line class="zero" x1="{middle:.1f}" x2="{middle:.1f}" y1="0" y2="{height}"/>',
    ]
    for at, (name, change) in enumerate(changes.items()):
        y, kind = _ROW * at + _ROW / 2, _kind(change)
        parts.append(f'<text x="0" y="{y + 4:.1f}">{escape(name)}</text>')
        if change.low is not None and change.high is not None:
            parts.append(
                f'<line class="{kind}" x1="{middle + change.low * scale:.1f}" '
                f'x2="{middle + change.high * scale:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
        parts.append(
            f'<circle class="{kind}" r="4" cx="{middle + change.value * scale:.1f}" cy="{y:.1f}"/>'
        )
    return "".join(parts) + "</svg>"


def _registry(report: AblationReport) -> str:
    rows = []
    for each in report.rows:
        how = [*each.overrides, *([f"towers see {each.blocks}"] if each.blocks != "text,z" else [])]
        said = ", ".join(f"<code>{escape(one)}</code>" for one in how) or "–"
        rows.append(
            f"<tr><td>{escape(each.row or '')}</td><td>{escape(each.name)}</td>"
            f"<td>{escape(each.removes)}</td><td>{said}</td></tr>"
        )
    head = "<th>paper</th><th>model</th><th>without</th><th>settings</th>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _method(report: AblationReport) -> str:
    table = report.table
    noise = (
        "Each row was trained once, so its interval speaks of other users only: another seed may "
        "move a row by as much as an ingredient does. Ask for more with --seeds."
        if len(report.seeds) == 1
        else f"Each row is the mean over {len(report.seeds)} training seeds; intervals hold the "
        "noise of users and of seeds."
    )
    skipped = (
        f" Nothing to take away under these settings: {escape(', '.join(report.skipped))}."
        if report.skipped
        else ""
    )
    return (
        f"<p>All rows learn from everything before {escape(table.cut)} and are measured on the "
        f"same users, candidates and targets of the {table.window_days} days after. A change is "
        "row minus full model, so below zero the ingredient is worth having; coloured where the "
        f"{table.confidence:.0%} interval excludes zero. Intervals are not corrected for the "
        f"number of comparisons. {noise}{skipped}</p>"
    )
