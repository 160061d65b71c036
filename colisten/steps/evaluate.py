"""Step: measure all models on a window."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from colisten.engine import Engine
from colisten.sections import EvaluationSettings
from colisten.steps.artifacts import (
    Events,
    Features,
    History,
    HtmlPage,
    ItemVectors,
    Measured,
    Metrics,
    RankedLists,
    TextVectors,
    Towers,
)
from colisten.steps.settings import TypesAndSignals, whole


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
        baselines: Also measure decayed popularity, item-kNN, EASE, ALS, BPR, LightGCN and an HGNN
            with users as nodes, each tuned on the window before `as_of`.

    Raises:
        EvaluationError: A file is missing or scores are wrong.
    """
    from colisten.baselines.tuning import tuned_baselines
    from colisten.evaluation.split import evaluation_set
    from colisten.evaluation.table import evaluate_lists
    from colisten.features.store import users_as_of
    from colisten.ranking.lists import rank_lists
    from colisten.ranking.model_rankers import ModelRankers
    from colisten.reports.evaluation import to_html
    from colisten.steps.windows import list_slices, window_facts

    settings = whole(data, evaluation, engine=engine, seed=seed)
    catalogue = history.catalogue
    folders = list(dict.fromkeys([history.folder, events.folder]))
    window = evaluation_set(
        folders,
        catalogue,
        cut=as_of,
        window_days=window_days,
        target_type=data.target_type,
        settings=settings,
    )
    contest = ModelRankers(
        folders=folders,
        catalogue=catalogue,
        as_of=as_of,
        text=text.vectors,
        z=vectors.z,
        towers=towers.open(engine.threads),
        towers_text=towers_text.open(engine.threads),
        settings=settings,
    )
    users = users_as_of(
        features.open(),
        window.user_ids.tolist(),
        as_of,
        catalogue.index_of,
        contest.towers.spec,
    )
    rankers = contest.rankers(users)
    if baselines and evaluation.baselines and len(window):
        rankers += tuned_baselines(
            folders,
            catalogue,
            as_of=as_of,
            window_days=window_days,
            user_ids=window.user_ids,
            fallback=contest.recent_popularity(),
            settings=settings,
            text=contest.text,
        )
    streams = contest.all_time_popularity()
    ranked = rank_lists(rankers, window, settings, folder=out / "lists")
    table = evaluate_lists(
        {model: [items] for model, items in ranked.by_model.items()},
        window,
        settings,
        seed,
        finer=list_slices(window, catalogue, streams, users),
        beyond=window_facts(streams, text, catalogue, data.target_type),
    )
    measured = Measured(table)
    return Evaluated(
        measured,
        HtmlPage(to_html(table)),
        RankedLists(out / "lists"),
        Metrics(measured.figures()),
    )
