"""The table as one HTML page that needs no network: verdicts, charts, all numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

from colisten.evaluation.beyond_accuracy import POPULARITY
from colisten.evaluation.comparison import Measure, Row
from colisten.evaluation.metrics import COVERAGE
from colisten.evaluation.seconds import Seconds
from colisten.evaluation.slices import NEW_ITEMS, TIERS
from colisten.evaluation.table import SLICES, EvaluationTable
from colisten.pages import Page
from colisten.ranking.rankers import CHANCE
from colisten.reports import charts
from colisten.reports.charts import BOTTOM, LEFT, RIGHT, TOP, Plane, Point, Scale, Series, ends
from colisten.reports.reliability import score_planes, scores_in_words
from colisten.reports.render import render
from colisten.reports.verdict import (
    chance,
    headline_metrics,
    nothing_to_measure,
    number,
    standing,
    verdicts,
)

BASELINES = 4
# Hit rate, MRR and coverage are shares, and so are the ends of their axes.
_MOST = 1.0


def to_html(table: EvaluationTable, seconds: Seconds | None = None) -> Page:
    """A whole page, the same bytes for the same table.

    Args:
        table: What was measured.
        seconds: How long the baselines and the model took, where that is known.
    """
    title = f"Evaluation at {table.cut[:10]}"
    if table.empty:
        return render("evaluation", title, table=table, nothing=nothing_to_measure(table))
    return render(
        "evaluation",
        title,
        table=table,
        nothing="",
        parts=SLICES,
        lead=verdicts(table),
        standing=standing(table) if len(table.models) > 1 else [],
        further={part: verdicts(table, part) for part in SLICES[1:]},
        bars=[
            _bars(table, metric, part)
            for part in SLICES
            if table.users[part]
            for metric in headline_metrics(table)
        ],
        planes=_planes(table),
        headline=headline_metrics(table),
        finer=list({row.slice: row for row in table.finer}.values()),
        finer_metrics={(row.model, row.slice): row.metrics for row in table.finer},
        several=[
            f"{row.model} ({row.seeds})"
            for row in table.rows
            if row.slice == "all" and row.seeds > 1
        ],
        popularity=POPULARITY,
        number=number,
        chance=chance,
        scores=scores_in_words(table.calibration) if table.calibration else [],
        score_planes=score_planes(table.calibration) if table.calibration else [],
        seconds=seconds if seconds is not None and seconds.baselines else None,
    )


def _bars(table: EvaluationTable, metric: str, part: str) -> tuple[str, list[charts.Row], Scale]:
    measures = {model: table.row(model, part).metrics[metric] for model in table.models}
    rows = [
        charts.Row(
            model,
            one,
            number(one.value),
            "own" if model == table.subject else "bar",
            one.by_seed,
        )
        for model, one in measures.items()
    ]
    seeds = [seed for one in measures.values() for seed in one.by_seed]
    return (
        f"{metric}, {part} users",
        rows,
        Scale.over([*ends(measures.values()), *seeds], most=_MOST),
    )


def _planes(table: EvaluationTable) -> list[tuple[str, Plane]]:
    hits = table.metrics[0]
    planes = [(f"{hits} against coverage, all users", scatter(table))]
    if tier_names(table):
        some = len(shown_models(table)) < len(table.models)
        whom = ", the models with the best hit rates" if some else ""
        planes += [
            (f"{metric} by popularity tier{whom}", tiers(table, metric))
            for metric in (hits, COVERAGE)
        ]
    return planes


def scatter(table: EvaluationTable) -> Plane:
    """HR@k across, coverage upwards on a logarithmic scale, best first in the legend.

    Coverage spans powers of ten: a popularity list shows a handful of items, chance all.
    """
    hits = table.metrics[0]
    rows = sorted(map(table.row, table.models), key=lambda row: -(row.metrics[hits].value or 0.0))
    x = Scale.over(_numbers(row.metrics[hits] for row in rows), LEFT, RIGHT, most=_MOST)
    least = min(row.metrics[COVERAGE].value or 0.1 for row in rows)
    y = Scale(10.0 ** math.floor(min(-1.0, math.log10(least))), 1.0, BOTTOM, TOP, log=True)
    series = []
    for at, row in enumerate(rows, start=1):
        hit, cover = row.metrics[hits], row.metrics[COVERAGE]
        label = f"{row.model}: {hits} {number(hit.value)}, coverage {number(cover.value)}"
        seeds = [(x(a), y(b)) for a, b in zip(hit.by_seed, cover.by_seed, strict=True)]
        place = x(hit.value or 0.0), y(cover.value or 0.0)
        point = Point(*place, label, x.span(hit), y.span(cover), seeds)
        kind = "own" if row.model == table.subject else "bar"
        series.append(Series(label, kind, [point], number=at))
    return Plane(f"{hits} →", "↑ coverage (logarithmic)", x.ticks(), y.ticks(), series)


def tier_names(table: EvaluationTable) -> list[str]:
    """The tiers that were measured, most started first, new items last."""
    measured = {row.slice for row in table.finer}
    names = [f"tier {tier}" for tier in range(1, TIERS + 1)]
    return [name for name in [*names, NEW_ITEMS] if name in measured]


def shown_models(table: EvaluationTable) -> list[str]:
    """The subject, its strongest baselines on all users, and chance where it was measured."""
    hits = table.metrics[0]
    others = [model for model in table.models if model not in (table.subject, CHANCE)]
    others.sort(key=lambda model: -(table.value(model, hits) or 0.0))
    random = [CHANCE] if CHANCE in table.models and table.subject != CHANCE else []
    return [table.subject, *others[:BASELINES], *random]


def tiers(table: EvaluationTable, metric: str) -> Plane:
    """A line a model over the tiers: where in the catalogue it is good."""
    parts, models = tier_names(table), shown_models(table)
    rows: dict[tuple[str, str], Row] = {(row.model, row.slice): row for row in table.finer}
    y = Scale.over(
        ends(rows[model, part].metrics[metric] for model in models for part in parts),
        BOTTOM,
        TOP,
        most=_MOST,
    )
    room = (RIGHT - LEFT) / len(parts)
    series = []
    for at, model in enumerate(models):
        # Points of one tier stand side by side, so that whiskers do not hide each other.
        shift = (at - (len(models) - 1) / 2) * room / (len(models) + 2)
        points = []
        for place, part in enumerate(parts):
            one = rows[model, part].metrics[metric]
            if one.value is not None:
                x = round(LEFT + room * (place + 0.5) + shift, 2)
                label = f"{model}, {part} ({rows[model, part].users:,} users): {number(one.value)}"
                points.append(Point(x, y(one.value), label, None, y.span(one)))
        kind = "chance" if model == CHANCE else f"hue{at}" if at else "own"
        series.append(Series(model, kind, points, joined=True))
    ticks = [(round(LEFT + room * (at + 0.5), 2), part) for at, part in enumerate(parts)]
    return Plane("", metric, ticks, y.ticks(), series, x_grid=False)


def _numbers(measures: Iterable[Measure]) -> list[float]:
    """What values, intervals and seeds reach."""
    measures = list(measures)
    return [*ends(measures), *(seed for one in measures for seed in one.by_seed)]
