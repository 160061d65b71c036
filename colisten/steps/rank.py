"""Step: the lists of one training on a window, to be measured beside those of others."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from colisten.settings.engine import Engine
from colisten.settings.sections import EvaluationSettings
from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.measures import RankedLists
from colisten.steps.artifacts.models import Towers
from colisten.steps.artifacts.reports import Metrics
from colisten.steps.artifacts.tables import Events, History
from colisten.steps.artifacts.vectors import ItemVectors, TextVectors
from colisten.steps.settings import TypesAndSignals


class Ranked(NamedTuple):
    """The lists."""

    lists: RankedLists
    metrics: Metrics


def rank(
    history: History,
    events: Events,
    features: Features,
    text: TextVectors,
    vectors: ItemVectors,
    towers: Towers,
    model: str,
    beside: str,
    as_of: datetime,
    window_days: int,
    *,
    data: TypesAndSignals,
    evaluation: EvaluationSettings,
    seed: int,
    engine: Engine,
    out: Path,
) -> Ranked:
    """The best items of every user who has a target in the window.

    Args:
        history: Checked tables.
        events: Events of the window.
        features: Feast repository.
        text: Text vectors.
        vectors: HGNN vectors.
        towers: The two towers that were trained.
        model: What these towers are called among the lists.
        beside: Other rankers to list as well, by name and with commas: `HGNN-mean`,
            `popularity`; empty for none.
        as_of: UTC moment that starts the window; models saw nothing at or after it.
        window_days: Length of the window.

    Raises:
        EvaluationError: There is no ranker of a name, or scores are wrong.
    """
    from colisten.errors import EvaluationError
    from colisten.evaluation.split import evaluation_set
    from colisten.features.store import users_as_of
    from colisten.ranking.events import EventLog
    from colisten.ranking.lists import rank_lists
    from colisten.ranking.model_rankers import ModelRankers
    from colisten.ranking.popularity import PopularityRule

    catalogue = history.catalogue
    log = EventLog([history.folder, events.folder], catalogue, data, engine)
    window = evaluation_set(log, cut=as_of, window_days=window_days)
    tower = towers.open(engine.threads)
    models = ModelRankers(
        events=log,
        as_of=as_of,
        text=text.vectors,
        z=vectors.z,
        towers=tower,
        towers_text=tower,
        popularity=PopularityRule.of(evaluation),
        seed=seed,
    )
    users = users_as_of(
        features.open(), window.user_ids.tolist(), as_of, catalogue.index_of, tower.spec
    )
    wanted = [name for name in beside.split(",") if name]
    others = {each.name: each for each in models.rankers(users)} if wanted else {}
    if unknown := [name for name in wanted if name not in others]:
        raise EvaluationError(
            f"There are no rankers {', '.join(unknown)}.", f"There are {', '.join(others)}."
        )
    rankers = [
        *(others[name] for name in wanted),
        models.two_tower(model, tower, users, models.recent_popularity),
    ]
    made = rank_lists(rankers, window, evaluation, folder=out / "lists")
    figures = {"users": float(len(window)), "models": float(len(made.models))}
    return Ranked(RankedLists(out / "lists"), Metrics(figures))
