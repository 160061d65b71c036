"""The sentence of a whole evaluation: our model against the best baseline."""

from __future__ import annotations

from colisten.evaluation.comparison import Contrast, Measure
from colisten.evaluation.table import EvaluationTable
from colisten.ranking.model_rankers import GRAPH_MEAN, WITHOUT_GRAPH
from colisten.ranking.rankers import CHANCE, SUBJECT
from colisten.statistics.interval import Part

# What this project trains, and chance, are no baselines.
_NO_BASELINES = (SUBJECT, WITHOUT_GRAPH, GRAPH_MEAN, CHANCE)
_SLICES = ("all", "cold")


class Headline(Part):
    """The model against the baseline that scores highest, on one slice of the users.

    Attributes:
        slice: Of users: all, or cold ones.
        users: How many were measured.
        metric: The measure, HR@k.
        model: The table's subject.
        value: Of the model, with its interval.
        baseline: Name of the best baseline.
        baseline_value: Of it, with its interval.
        difference: Model minus baseline on the same users, with its interval.
    """

    slice: str
    users: int
    metric: str
    model: str
    value: Measure
    baseline: str
    baseline_value: Measure
    difference: Contrast


def headlines(table: EvaluationTable) -> tuple[Headline, ...]:
    """One of all users and one of cold users; none where nobody or no baseline was measured."""
    metric = table.metrics[0]
    made = []
    for part in _SLICES:
        contrasts = {
            each.against: each
            for each in table.differences
            if (each.slice, each.metric) == (part, metric) and each.against not in _NO_BASELINES
        }
        scores = {name: table.value(name, metric, part) for name in contrasts}
        known = {name: score for name, score in scores.items() if score is not None}
        if not table.users[part] or not known:
            continue
        best = max(known, key=lambda name: known[name])
        made.append(
            Headline(
                slice=part,
                users=table.users[part],
                metric=metric,
                model=table.subject,
                value=table.row(table.subject, part).metrics[metric],
                baseline=best,
                baseline_value=table.row(best, part).metrics[metric],
                difference=contrasts[best],
            )
        )
    return tuple(made)
