"""An explanation as one HTML page that needs no network."""

from __future__ import annotations

from colisten.explain.calibration import Calibration
from colisten.explain.estimate import Estimate
from colisten.explain.importance import CHANGED, LOG_PROBABILITY, Side
from colisten.explain.neighbours import Example
from colisten.explain.report import SLICES, TASTE, TEXT, Explanation, Z
from colisten.explain.verdict import NO_WINDOW, leading_measure, ranked, verdicts
from colisten.reports.charts import bars, reliability
from colisten.reports.item_map import MAP, map_scripts
from colisten.reports.page import Page, escape, page

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #5f6b76; --line: #dfe4e8;
        --bar: #9fb4c7; --own: #1d8348; --paper: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --soft: #9aa6b2; --line: #343c45; --bar: #4f6a83; --own: #3fae6e;
          --paper: #14181c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 72rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.4rem; }
.soft { color: var(--soft); } .lead li { margin: .4rem 0; font-size: 1.05rem; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); }
.two { grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: .7rem .8rem; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
figcaption small { color: var(--soft); font-weight: 400; display: block; }
figure svg { width: 100%; height: auto; display: block; }
figure svg text { fill: var(--soft); font-size: 12px; } figure svg .label { fill: var(--ink); }
figure svg rect { fill: var(--bar); } figure svg circle { fill: var(--own); }
figure svg line { stroke: var(--ink); stroke-width: 1.4; }
figure svg .grid, figure svg .zero { stroke: var(--line); fill: none; }
figure svg .true { stroke: var(--soft); stroke-dasharray: 4 4; fill: none; }
.wide { overflow-x: auto; margin-top: 1rem; } table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
         white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
td small { color: var(--soft); display: block; }
.words td, .words th { text-align: left; vertical-align: top; white-space: normal; }
.words ol { margin: 0; padding-left: 1.2rem; }
tr.whole td { font-weight: 600; }
#item-map { height: 640px; }
"""


def to_html(found: Explanation) -> Page:
    """A whole page, the same bytes for the same explanation."""
    sentences = "".join(f"<li>{escape(one)}</li>" for one in verdicts(found))
    parts = [
        f"<ul class='lead'>{sentences}</ul>",
        "<h2>Are the probabilities true?</h2>",
        _calibration(found),
        "<h2>What the answers hang on</h2>",
        _importance(found),
        "<h2>Neighbours before and after training</h2>",
        _neighbours(found),
        "<h2>The item space</h2>",
        _map(found),
    ]
    return page(
        f"Release {found.release_id} explained",
        f"<h1>What the model does, and why</h1>{_subtitle(found)}\n" + "\n".join(parts),
        style=_STYLE,
        scripts=map_scripts(found),
    )


def _subtitle(found: Explanation) -> str:
    window = (
        f"what they streamed first in the {found.window_days} days from then on"
        if found.window_days
        else "no window after it"
    )
    return (
        f"<p class='soft'>Release {escape(found.release_id)}, learned until "
        f"{escape(found.cut[:10])}; {found.users:,} users, {window}; {found.candidates:,} "
        f"candidates of type {escape(found.target_type)}; intervals of {found.confidence:.0%}</p>"
    )


def _calibration(found: Explanation) -> str:
    if found.calibration["all"] is None:
        return f"<p>{escape(NO_WINDOW)}</p>"
    figures, rows = [], []
    for name in SLICES:
        one = found.calibration[name]
        if one is None:
            continue
        title = f"{name.capitalize()} users"
        figures.append(
            f"<figure><figcaption>{title}<small>{one.choices:,} streams of {one.users:,} users"
            f"</small></figcaption>{reliability(one, title)}</figure>"
        )
        rows.append(
            f"<tr><td>{name}</td><td>{one.users:,}</td><td>{one.choices:,}</td>"
            f"<td>{one.error:.3f}</td><td>{_plain(one.error_of_truth.value)}"
            f"<small>95% below {_plain(one.error_of_truth.high)}</small></td>"
            f"<td>{_cell(one.slope, '.2f')}</td><td>{one.log_probability:.2f}</td>"
            f"<td>{one.log_probability_of_chance:.2f}</td></tr>"
        )
    missing = [name for name in SLICES if found.calibration[name] is None]
    gone = f" No {' or '.join(missing)} user streamed anything." if missing else ""
    lost = (
        f" {found.unreachable:,} streams in the window were of items that came out after the cut; "
        "no probability speaks of them."
        if found.unreachable
        else ""
    )
    whole = found.calibration["all"]
    return (
        "<p>A softmax over everything a user may be shown, at the learned temperature "
        f"({found.temperature:.3f}), says how likely each is to be their next first stream. Each "
        "such stream is a choice; pairs of a choice and a candidate are binned so that every bin "
        "expects equally many streams. On the dashed line the model is right: what it calls 1% "
        f"happens once in a hundred. Whiskers are Wilson intervals.{gone}{lost}</p>"
        f"<div class='charts'>{''.join(figures)}</div>"
        "<div class='wide'><table><tr><th>who</th><th>users</th><th>streams</th>"
        "<th>calibration error</th><th>true probabilities would get</th><th>slope</th>"
        "<th>log-probability</th><th>of chance</th></tr>"
        f"{''.join(rows)}</table></div>"
        "<p class='soft'>Calibration error: how much of the probability, summed over bins, is "
        "missing or too much per stream; 0 is perfect, 2 is all in the wrong place. Slope: the "
        "factor on the scores under which the streams are most likely; below 1 the model is too "
        "sure of itself. Log-probability in nats, of what was streamed.</p>"
        f"<details><summary>Every bin, all users</summary>{_bins(whole)}</details>"
    )


def _bins(one: Calibration) -> str:
    rows = "".join(
        f"<tr><td>{each.predicted:.4%}</td><td>{_cell(each.observed, '.4%')}</td>"
        f"<td>{each.expected:,.1f}</td><td>{each.streamed:,}</td><td>{each.pairs:,}</td></tr>"
        for each in one.bins
    )
    return (
        "<div class='wide'><table><tr><th>predicted</th><th>observed</th><th>expected streams</th>"
        f"<th>streams</th><th>pairs</th></tr>{rows}</table></div>"
    )


def _importance(found: Explanation) -> str:
    name = leading_measure(found)
    unit = (
        "nats of log-probability of what was streamed"
        if name == LOG_PROBABILITY
        else "share of the list that changes"
    )
    figures = [
        f"<figure><figcaption>{escape(title)}<small>{unit}</small></figcaption>"
        + bars([(one.group, one.losses[name]) for one in ranked(found, side)], title)
        + "</figure>"
        for side, title in _sides(found)
    ]
    against = (
        ""
        if found.importance.baseline
        else " Without a window there is nothing to lose, so it is counted how much lists change."
    )
    return (
        "<p>Each group of inputs is taken from another user (or item) drawn at random while all "
        f"else stays, {found.importance.repeats} times over, and the served towers answer again. "
        "What is lost is what only that group tells: where two know the same, each alone seems to "
        "matter little. Text stands for vectors of titles and descriptions, z for those that the "
        f"HGNN made of the co-listening graph.{against}</p>"
        f"<div class='charts two'>{''.join(figures)}</div>"
        f"<div class='wide'>{_losses(found)}</div>{_baseline(found)}"
    )


def _sides(found: Explanation) -> tuple[tuple[Side, str], ...]:
    return ("user", "About the user"), ("item", f"About the {found.target_type}")


def _losses(found: Explanation) -> str:
    names = list(found.importance.groups[0].losses)
    head = "".join(
        f"<th>{escape(name if name == CHANGED else f'loss of {name}')}</th>" for name in names
    )
    rows = []
    for side, title in _sides(found):
        for one in (*ranked(found, side), found.importance.of(side, "everything")):
            cells = "".join(
                f"<td>{_cell(one.losses[name], '.0%' if name == CHANGED else '+.4f')}</td>"
                for name in names
            )
            kind = " class='whole'" if one.group == "everything" else ""
            label = f"{title[6:].capitalize()}: {one.group}"
            rows.append(f"<tr{kind}><td>{escape(label)}</td><td>{one.columns:,}</td>{cells}</tr>")
    return f"<table><tr><th>group</th><th>columns</th>{head}</tr>{''.join(rows)}</table>"


def _baseline(found: Explanation) -> str:
    values = ", ".join(
        f"{escape(name)} {value:.4f}" for name, value in found.importance.baseline.items()
    )
    return f"<p class='soft'>Untouched: {values}.</p>" if values else ""


def _neighbours(found: Explanation) -> str:
    near = found.neighbourhoods
    rows = "".join(
        f"<tr><td>{escape(one.first)} and {escape(one.second)}</td>"
        f"<td>{_cell(one.shared, '.0%')}</td><td>{_changed(one.shared)}</td>"
        f"<td>{one.by_chance:.1%}</td><td>{one.items:,}</td></tr>"
        for one in near.agreements
    )
    return (
        f"<p>Of an item's {near.k} nearest by cosine: how many two spaces share. Text is what "
        "training starts from, z what the co-listening graph adds, taste what the item tower makes "
        "of both.</p>"
        "<div class='wide'><table><tr><th>spaces</th><th>shared</th><th>changed</th>"
        f"<th>shared by chance</th><th>items</th></tr>{rows}</table></div>"
        f"<div class='wide'>{_examples(found)}</div>"
    )


def _examples(found: Explanation) -> str:
    names = {TEXT: "by text, before training", Z: "by z of the graph", TASTE: "by learned taste"}
    spaces = list(
        dict.fromkeys(name for one in found.neighbourhoods.examples for name in one.neighbours)
    )
    head = "".join(f"<th>{escape(names.get(space, space))}</th>" for space in spaces)
    rows = "".join(
        f"<tr><td>{escape(found.items[one.item].title)}<br><span class='soft'>{escape(one.kind)}, "
        f"{one.streams:,} users</span></td>"
        + "".join(f"<td>{_list(found, one, space)}</td>" for space in spaces)
        + "</tr>"
        for one in found.neighbourhoods.examples
    )
    return f"<table class='words'><tr><th>item</th>{head}</tr>{rows}</table>"


def _list(found: Explanation, one: Example, space: str) -> str:
    if not one.neighbours[space]:
        return "<span class='soft'>no vector</span>"
    return (
        "<ol>"
        + "".join(
            f"<li>{escape(found.items[other.item].title)} "
            f"<span class='soft'>{other.cosine:.2f}</span></li>"
            for other in one.neighbours[space]
        )
        + "</ol>"
    )


def _map(found: Explanation) -> str:
    variance = ", ".join(f"{escape(view.space)} {view.variance:.0%}" for view in found.map)
    methods = " or ".join(sorted({view.method for view in found.map}))
    return (
        f"<p>Items in two dimensions ({escape(methods)}; at most a thousand a view). Who is beside "
        "whom means something; distances between far groups do not. Choose a space and a colour; "
        "drag to move, scroll to come nearer, click the legend to hide. Share of variance that two "
        f"principal components hold: {variance}.</p><div id='{MAP}'></div>"
    )


def _changed(shared: Estimate) -> str:
    return "–" if shared.value is None else f"{1 - shared.value:.0%}"


def _cell(one: Estimate, digits: str) -> str:
    if one.value is None:
        return "–"
    if one.low is None or one.high is None:
        return f"{one.value:{digits}}"
    return f"{one.value:{digits}}<small>{one.low:{digits}} to {one.high:{digits}}</small>"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
