"""Step: measure all models on a window."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from colisten.settings.engine import Engine
from colisten.settings.sections import EvaluationSettings
from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.measures import Measured, RankedLists
from colisten.steps.artifacts.models import Towers
from colisten.steps.artifacts.reports import HtmlPage, Metrics
from colisten.steps.artifacts.tables import Events, History
from colisten.steps.artifacts.vectors import ItemVectors, TextVectors
from colisten.steps.settings import TypesAndSignals


class Evaluated(NamedTuple):
    """The table, for programs and for people, and what each model showed each user."""

    table: Measured
    page: HtmlPage
    lists: RankedLists
    metrics: Metrics


def evaluate(
    history: History,
    events: Events,
    features: Features,
    text: TextVectors,
    vectors: ItemVectors,
    towers: Towers,
    towers_text: Towers,
    as_of: datetime,
    window_days: int,
    baselines: bool,
    *,
    data: TypesAndSignals,
    evaluation: EvaluationSettings,
    seed: int,
    engine: Engine,
    out: Path,
) -> Evaluated:
    """HR, MRR and coverage with intervals for every model; all, warm and cold users.

    And of the two towers what their scores are worth as probabilities.

    Args:
        history: Checked tables.
        events: Events of the window: the history itself for a backtest, the holdout for the
            final measurement.
        features: Feast repository.
        text: Text vectors.
        vectors: HGNN vectors.
        towers: 2T-HGNN.
        towers_text: 2T without graph.
        as_of: UTC moment that starts the window; models saw nothing at or after it.
        window_days: Length of the window.
        baselines: Also measure those that `evaluation` asks for, each tuned on the window before
            `as_of`.

    Raises:
        EvaluationError: A file is missing or scores are wrong.
    """
    from colisten.baselines.registry import BASELINES
    from colisten.baselines.tuning import tuned_baselines
    from colisten.evaluation.seconds import Seconds, seconds_figures
    from colisten.evaluation.split import evaluation_set
    from colisten.features.store import users_as_of
    from colisten.models.vector_layout import VectorLayout
    from colisten.parts import load_part
    from colisten.ranking.eligible import eligible_users
    from colisten.ranking.events import EventLog
    from colisten.ranking.lists import rank_lists
    from colisten.ranking.model_rankers import ModelRankers
    from colisten.ranking.popularity import PopularityRule
    from colisten.reports.evaluation import to_html
    from colisten.settings.baselines import chosen_baselines
    from colisten.steps.scores import Sampled, calibrate_scores, end_of
    from colisten.steps.windows import measure

    catalogue = history.catalogue
    folders = list(dict.fromkeys([history.folder, events.folder]))
    log = EventLog(folders, catalogue, data, engine)
    window = evaluation_set(log, cut=as_of, window_days=window_days)
    models = ModelRankers(
        events=log,
        as_of=as_of,
        text=text.vectors,
        z=vectors.z,
        towers=towers.open(engine.threads),
        towers_text=towers_text.open(engine.threads),
        popularity=PopularityRule.of(evaluation),
        seed=seed,
    )
    sampled = Sampled.of(eligible_users(log, as_of), window, seed)
    asked = users_as_of(
        features.open(),
        sampled.asked_ids,
        as_of,
        catalogue.index_of,
        models.towers.spec,
    )
    known = asked.take(sampled.of_window)
    rankers = models.rankers(known)
    names = chosen_baselines(evaluation.baselines)
    own = [load_part("evaluation.own_baselines", each) for each in evaluation.own_baselines]
    measured_beside = [*(each for each in BASELINES if each.name in names), *own]
    tuned = []
    if baselines and measured_beside and len(window):
        tuned = tuned_baselines(
            log,
            as_of=as_of,
            window_days=window_days,
            user_ids=window.user_ids,
            fallback=models.recent_popularity,
            evaluation=evaluation,
            seed=seed,
            text=models.text,
            baselines=measured_beside,
        )
    streams = models.all_time_popularity
    seconds = {each.name: each.seconds for each in tuned}
    ranked = rank_lists([*rankers, *tuned], window, evaluation, folder=out / "lists")
    lists = {model: [items] for model, items in ranked.by_model.items()}
    table = measure(lists, window, known, streams, catalogue, text, evaluation, seed)
    calibration = calibrate_scores(
        sampled,
        asked,
        models.towers,
        VectorLayout.read(towers.folder, models.towers.dim),
        models.recent_popularity,
        end=end_of(history, events, window),
        evaluation=evaluation,
        seed=seed,
    )
    table = table.model_copy(update={"calibration": calibration})
    measured = Measured(table)
    return Evaluated(
        measured,
        HtmlPage(to_html(table, Seconds(baselines=seconds))),
        RankedLists(out / "lists"),
        # No step takes figures or pages, so no key of a step holds how long anything took.
        Metrics({**measured.figures(), **seconds_figures(seconds)}),
    )
