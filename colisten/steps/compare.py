"""Step: one table of several trainings, whose intervals hold the noise of seeds too."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np

from colisten.settings.engine import Engine
from colisten.settings.sections import EvaluationSettings
from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.measures import Measured, RankedLists
from colisten.steps.artifacts.reports import HtmlPage, Metrics
from colisten.steps.artifacts.tables import Events, History
from colisten.steps.artifacts.vectors import TextVectors
from colisten.steps.settings import TypesAndSignals


class Compared(NamedTuple):
    """The table, for programs and for people."""

    table: Measured
    page: HtmlPage
    metrics: Metrics


def compare(
    history: History,
    events: Events,
    features: Features,
    text: TextVectors,
    lists: list[RankedLists],
    measured: RankedLists | None,
    subject: str,
    as_of: datetime,
    window_days: int,
    *,
    data: TypesAndSignals,
    evaluation: EvaluationSettings,
    seed: int,
    engine: Engine,
) -> Compared:
    """HR, MRR and coverage of every model over all of its trainings; all, warm and cold users.

    Args:
        history: Checked tables.
        events: Events of the window.
        features: Feast repository.
        text: Text vectors.
        lists: Of every trial; those of one model are its trainings.
        measured: Lists that come first.
        subject: The model that every other is compared with.
        as_of: UTC moment that starts the window.
        window_days: Length of the window.

    Raises:
        EvaluationError: Lists are of other users or items.
    """

    from colisten.evaluation.split import evaluation_set
    from colisten.features.store import music_dim, user_rows
    from colisten.features.users import UserBatch, UserFields
    from colisten.ranking.events import EventLog
    from colisten.ranking.popularity import popularity
    from colisten.reports.evaluation import to_html
    from colisten.steps.windows import measure

    catalogue = history.catalogue
    log = EventLog([history.folder, events.folder], catalogue, data, engine)
    window = evaluation_set(log, cut=as_of, window_days=window_days)
    trainings: dict[str, list[np.ndarray]] = {}
    for each in [*([] if measured is None else [measured]), *lists]:
        ranked = each.read()
        ranked.check(window)
        for model in ranked.models:
            trainings.setdefault(model, []).append(ranked[model])
    streams = popularity(log, as_of)
    store = features.open()
    known = UserBatch.from_table(
        user_rows(store, window.user_ids.tolist(), as_of),
        catalogue.index_of,
        UserFields.of(data, music_dim(store)),
    )
    table = measure(
        trainings, window, known, streams, catalogue, text, evaluation, seed, subject=subject
    )
    figures = {
        "users": float(len(window)),
        "models": float(len(trainings)),
        "trainings": float(max(map(len, trainings.values()))),
    }
    return Compared(Measured(table), HtmlPage(to_html(table)), Metrics(figures))
