"""Step: every user's list, the arms' shelves and the run's metrics."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from colisten.settings.engine import Engine
from colisten.settings.sections import EvaluationSettings
from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.measures import Measured
from colisten.steps.artifacts.models import Towers
from colisten.steps.artifacts.release import Published
from colisten.steps.artifacts.reports import TableFile
from colisten.steps.artifacts.tables import History
from colisten.steps.settings import TypesAndSignals

_OF_RELEASE = ("release_id", "promoted", "reasons", "warnings")


class Recommended(NamedTuple):
    """The lists."""

    recommendations: TableFile


def recommend(
    history: History,
    features: Features,
    release: Published,
    towers_text: Towers,
    backtest: Measured,
    measured: Measured,
    cut: datetime,
    window_days: int,
    home: Path,
    *,
    data: TypesAndSignals,
    evaluation: EvaluationSettings,
    engine: Engine,
) -> Recommended:
    """Write `recommendations.parquet`, `shelves/`, `metrics.json` and `slices.json` under `home`.

    Args:
        history: Checked tables.
        features: Feast repository.
        release: The published release.
        towers_text: 2T without graph, an arm of its own.
        backtest: Evaluation on the window before the cut.
        measured: Evaluation on the window after it.
        cut: UTC moment.
        window_days: Days of the window that measured it.
        home: Folder that owns the results.

    Raises:
        EvaluationError: Scores are wrong.
    """
    from colisten.features.store import users_as_of
    from colisten.ranking.eligible import eligible_users
    from colisten.ranking.events import EventLog
    from colisten.ranking.model_rankers import POPULARITY, WITHOUT_GRAPH
    from colisten.ranking.popularity import PopularityRule, popularity_scores
    from colisten.ranking.rankers import SUBJECT, PopularityRanker, VectorRanker
    from colisten.ranking.recommend import recommend as write
    from colisten.release.store import ReleaseStore
    from colisten.steps.metrics_file import write_metrics

    catalogue = history.catalogue
    tower = Towers(ReleaseStore(home).folder(release.release_id)).open(engine.threads)
    text_tower = towers_text.open(engine.threads)
    log = EventLog([history.folder], catalogue, data, engine)
    people = eligible_users(log, cut)
    users = users_as_of(
        features.open(), people.user_ids.tolist(), cut, catalogue.index_of, tower.spec
    )
    popular = popularity_scores(log, cut, PopularityRule.of(evaluation))
    best = VectorRanker(SUBJECT, tower.user_vectors(users), tower.item_vectors, popular)
    without_graph = VectorRanker(
        WITHOUT_GRAPH, text_tower.user_vectors(users), text_tower.item_vectors, popular
    )
    for arm in (PopularityRanker(POPULARITY, popular), without_graph, best):
        shelf = home / "shelves" / f"{arm.name}.parquet"
        write(people, arm.scores, catalogue, shelf, depth=evaluation.k)
    lists = home / "recommendations.parquet"
    write(people, best.scores, catalogue, lists, depth=evaluation.depth)
    about = {
        "cut": cut.isoformat(),
        "window_days": window_days,
        "release": {name: getattr(release, name) for name in _OF_RELEASE},
    }
    write_metrics(home, about, test=measured.table, validation=backtest.table)
    return Recommended(TableFile(lists))
