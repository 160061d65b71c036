"""The table in sentences: who wins, by how much and how sure."""

from __future__ import annotations

from colisten.data.moments import days_from, parse_moment
from colisten.evaluation.comparison import Contrast, Measure
from colisten.evaluation.headline import Headline
from colisten.evaluation.table import EvaluationTable


def headline_metrics(table: EvaluationTable) -> tuple[str, ...]:
    """The measures of the paper's tables: hit rate, MRR, coverage."""
    return table.metrics[:3]


def verdicts(table: EvaluationTable, part: str = "all") -> list[str]:
    """Who leads on each headline measure of a slice and whether that can be chance.

    One sentence saying so where nothing was measured.
    """
    if table.empty:
        return [nothing_to_measure(table)]
    users = table.users[part]
    if not users:
        return [f"No {part} user had a target, so there is nothing to say about {part} users."]
    if table.too_few(part) and len(table.models) > 1:
        whom = f"{users} {'' if part == 'all' else part + ' '}user{'s' if users > 1 else ''}"
        return [f"Only {whom} had a target: too few to say who leads."]
    return [_verdict(table, metric, part) for metric in headline_metrics(table)]


def standing(table: EvaluationTable, part: str = "all") -> list[str]:
    """Where the subject stands against every other model, a sentence per headline measure.

    None where `verdicts` says that there are too few users to tell.
    """
    if table.too_few(part):
        return []
    return [
        _standing(table, metric, part)
        for metric in headline_metrics(table)
        if any((each.metric, each.slice) == (metric, part) for each in table.differences)
    ]


def headline_sentence(headline: Headline) -> str:
    """Our model against the best baseline, for whoever reads one sentence."""
    depth = headline.metric.partition("@")[2]
    cold = "" if headline.slice == "all" else f"{headline.slice} "
    gap = headline.difference
    sure = "sure" if gap.sure else "not sure, the interval includes zero"
    return (
        f"Of {headline.users:,} {cold}users, {_percent(headline.value)} start one of the first "
        f"{depth} items that {headline.model} lists for them, "
        f"{_percent(headline.baseline_value)} with {headline.baseline}, the best baseline. "
        f"Difference {100 * gap.value:+.1f} points"
        f"{_span(gap.low, gap.high, '+.1f')}: {sure}."
    )


def nothing_to_measure(table: EvaluationTable) -> str:
    """Why the table is empty."""
    first = parse_moment(table.cut, "cut")
    last = days_from(first, table.window_days)
    return (
        f"Nothing to measure: no user with events before {first:%Y-%m-%d} started an item of type "
        f"{table.target_type} for the first time between {first:%Y-%m-%d} and {last:%Y-%m-%d}."
    )


def number(value: float | None, *, signed: bool = False) -> str:
    """Four decimals, or a dash where there is no value."""
    if value is None:
        return "–"
    return f"{value:+.4f}" if signed else f"{value:.4f}"


def chance(p: float | None) -> str:
    """A p-value in words that do not claim more digits than it has."""
    if p is None:
        return "–"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _verdict(table: EvaluationTable, metric: str, part: str) -> str:
    lead = table.lead(metric, part)
    whom = f"{table.users[part]:,} {'' if part == 'all' else part + ' '}users"
    if lead is None:
        only = table.models[0]
        value = number(table.value(only, metric, part))
        return f"{metric}, {whom}: {only} has {value}; there is no other model to compare with."
    best = table.value(lead.model, metric, part)
    second = table.value(lead.against, metric, part)
    if lead.value == 0:
        level = [model for model in table.models if table.value(model, metric, part) == best]
        return f"{metric}, {whom}: {len(level)} models share {number(best)}: {', '.join(level)}."
    # Past tenfold a percentage only says that the runner-up is next to nothing.
    times = f", {lead.value / second:+.0%}" if second and lead.value < 9 * second else ""
    return (
        f"{metric}, {whom}: {lead.model} leads with {number(best)} against {number(second)} of "
        f"{lead.against} ({number(lead.value, signed=True)}{times}). {_sureness(table, lead)}"
    )


def _sureness(table: EvaluationTable, contrast: Contrast) -> str:
    if contrast.low is None or contrast.high is None:
        return "One user alone says nothing about how sure that is."
    span = (
        f"{table.confidence:.0%} interval of the difference "
        f"{number(contrast.low, signed=True)} to {number(contrast.high, signed=True)}, "
        f"{chance(contrast.p)}"
    )
    if contrast.sure:
        return f"Sure: the {span}, excludes zero."
    return f"Not sure: the {span}, includes zero."


def _standing(table: EvaluationTable, metric: str, part: str) -> str:
    groups: dict[str, list[str]] = {"above": [], "below": [], "not surely different from": []}
    for each in table.differences:
        if (each.metric, each.slice) != (metric, part):
            continue
        where = "above" if each.value > 0 else "below"
        groups[where if each.sure else "not surely different from"].append(each.against)
    phrases = [f"{where} {', '.join(names)}" for where, names in groups.items() if names]
    return f"{table.subject} on {metric}: {'; '.join(phrases)}."


def _percent(measure: Measure) -> str:
    assert measure.value is not None
    return f"{100 * measure.value:.1f} %{_span(measure.low, measure.high, '.1f')}"


def _span(low: float | None, high: float | None, form: str) -> str:
    if low is None or high is None:
        return ""
    return f" ({100 * low:{form}} to {100 * high:{form}})"
