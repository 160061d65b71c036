"""The graph report as one HTML page that needs no network."""

from __future__ import annotations

from colisten.graph.report import Estimate, GraphReport, RelationFigures
from colisten.pages import Page, escape, page

_STYLE = """
:root { --ink: #1d2329; --soft: #5f6b76; --line: #dfe4e8; --bar: #9fb4c7; --bad: #b03a2e;
        --good: #1d8348; --paper: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --soft: #9aa6b2; --line: #343c45; --bar: #4f6a83; --bad: #e57366;
          --good: #3fae6e; --paper: #14181c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 64rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.soft { color: var(--soft); } .bad { color: var(--bad); } .good { color: var(--good); }
.lead { font-size: 1.1rem; } li { margin: .4rem 0; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: .7rem .8rem; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font-size: 11px; }
svg rect { fill: var(--bar); } svg line { stroke: var(--ink); stroke-width: 1.5; }
svg circle { fill: var(--good); }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
         font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
"""


def to_html(report: GraphReport) -> Page:
    """A whole page, the same bytes for the same report."""
    target = escape(report.target_type)
    verdict = (
        "<span class='good'>A model can learn from this graph.</span>"
        if report.can_learn
        else "<span class='bad'>Training on this graph cannot work as it is.</span>"
    )
    counts = ", ".join(f"{count:,} {escape(name)}s" for name, count in report.nodes.items())
    findings = "".join(
        f"<li><span class='{'bad' if finding.severe else ''}'>{escape(finding.what)}</span> "
        f"<span class='soft'>{escape(finding.advice)}</span></li>"
        for finding in report.findings
    )
    parts = [
        f"<p class='lead'>{verdict} {counts}, {report.edges:,} directed edges.</p>",
        f"<ul>{findings}</ul>" if findings else "<p>Nothing stands out.</p>",
        "<h2>Relations</h2>",
        _relations(report),
        "<h2>How many neighbours items have</h2>",
        "<p class='soft'>Items by number of neighbours; both scales double from mark to mark.</p>",
        f"<div class='charts'>{''.join(_degrees(n, r) for n, r in report.relations.items())}</div>",
        "<h2>Who is joined, and by what</h2>",
        f"<p>{_share(report.only_through_other)} of the {target} pairs that anything joins are "
        "joined only through an item of another type: what the other types add "
        "(the paper's observation 3). "
        f"{report.components:,} connected components; the largest holds "
        f"{report.largest_component_share:.1%} of all items. Without any edge: "
        + ", ".join(f"{n:,} {escape(name)}s" for name, n in report.isolated.items())
        + ".</p>",
        _likeness(report),
        "<h2>Most linked</h2>",
        _hubs(report),
    ]
    return page("Co-listening graph", f"<h1>Co-listening graph</h1>{''.join(parts)}", style=_STYLE)


def _relations(report: GraphReport) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{one.edges:,}</td><td>{one.nodes_with_edges:,}</td>"
        f"<td>{one.mean_degree:,.1f}</td><td>{one.max_degree:,}</td>"
        f"<td>{one.share_of_top_percent:.0%}</td></tr>"
        for name, one in report.relations.items()
    )
    ratios = ", ".join(
        f"{ratio:,.1f} {escape(name)}" for name, ratio in report.pairs_per_target_pair.items()
    )
    return (
        "<table><tr><th>relation</th><th>edges</th><th>items with edges</th><th>mean degree</th>"
        f"<th>largest</th><th>edges at the top 1 %</th></tr>{rows}</table>"
        f"<p>For one {escape(report.target_type)} pair: {ratios} pairs. A balanced epoch takes as "
        "many of each.</p>"
    )


def _degrees(name: str, one: RelationFigures) -> str:
    width, height, foot = 320, 150, 18
    count = max(len(one.degrees), 1)
    top = max([value.bit_length() for value in one.degrees], default=1) or 1
    step = width / count
    bars = []
    for at, value in enumerate(one.degrees):
        tall = value.bit_length() / top * (height - foot - 14)
        label = 0 if at == 0 else 1 << (at - 1)
        bars.append(
            f"<rect x='{at * step + 1:.1f}' y='{height - foot - tall:.1f}' "
            f"width='{step - 2:.1f}' height='{tall:.1f}'><title>{value:,} items</title></rect>"
            f"<text x='{at * step + step / 2:.1f}' y='{height - 4}' text-anchor='middle'>"
            f"{label}</text>"
        )
    return (
        f"<figure><figcaption>{escape(name)}</figcaption>"
        f"<svg viewBox='0 0 {width} {height}' role='img'>{''.join(bars)}</svg></figure>"
    )


def _likeness(report: GraphReport) -> str:
    if report.likeness is None:
        return "<p class='soft'>No text vectors were given, so likeness was not measured.</p>"
    rows = [
        ("linked directly", report.likeness.linked, report.likeness.linked_gain),
        (
            "joined through another type",
            report.likeness.through_other,
            report.likeness.through_gain,
        ),
        ("random", report.likeness.random, None),
    ]
    body = "".join(
        f"<tr><td>{label}</td><td>{_number(own)}</td>"
        f"<td>{'' if gain is None else _number(gain)}</td><td>{own.sample:,}</td></tr>"
        for label, own, gain in rows
    )
    return (
        f"<h2>Likeness of text</h2><table><tr><th>{escape(report.target_type)} pairs</th>"
        "<th>mean cosine (95 % interval)</th><th>above random</th><th>pairs</th></tr>"
        f"{body}</table>"
    )


def _hubs(report: GraphReport) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(hub.title) or f'item {hub.item}'}</td>"
        f"<td>{hub.degree:,}</td></tr>"
        for name, one in report.relations.items()
        for hub in one.hubs
    )
    return f"<table><tr><th>relation</th><th>item</th><th>neighbours</th></tr>{rows}</table>"


def _number(one: Estimate) -> str:
    if one.mean is None:
        return "none"
    return f"{one.mean:.3f} ({one.low:.3f} to {one.high:.3f})"


def _share(one: Estimate) -> str:
    if one.mean is None:
        return "None"
    return f"{one.mean:.1%} ({one.low:.1%} to {one.high:.1%})"
