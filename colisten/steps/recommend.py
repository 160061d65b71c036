"""Step: every user's list, the arms' shelves and the run's metrics."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from colisten.engine import Engine
from colisten.sections import EvaluationSettings
from colisten.steps.artifacts import (
    Features,
    History,
    Measured,
    Published,
    TableFile,
    Towers,
)
from colisten.steps.settings import TypesAndSignals, whole


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
    """Write `recommendations.parquet`, `shelves/` and `metrics.json` under `home`.

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
    from colisten.evaluation.popularity import PopularityRanker, popularity
    from colisten.features.store import users_as_of
    from colisten.json_files import write_json
    from colisten.ranking.eligible import eligible_users
    from colisten.ranking.model_rankers import POPULARITY, WITHOUT_GRAPH
    from colisten.ranking.rankers import SUBJECT, VectorRanker
    from colisten.ranking.recommend import recommend as write

    settings = whole(data, evaluation, engine=engine)
    catalogue = history.catalogue
    tower = Towers(Path(release.folder)).open(engine.threads)
    without_graph = towers_text.open(engine.threads)
    people = eligible_users(
        [history.folder], catalogue, cut=cut, target_type=data.target_type, settings=settings
    )
    users = users_as_of(
        features.open(), people.user_ids.tolist(), cut, catalogue.index_of, tower.spec
    )
    counts = popularity(
        [history.folder],
        catalogue,
        as_of=cut,
        target_type=data.target_type,
        window_days=evaluation.popularity_days,
        settings=settings,
    )
    best = VectorRanker(SUBJECT, tower.user_vectors(users), tower.item_vectors, counts)
    arms = (
        PopularityRanker(POPULARITY, counts),
        VectorRanker(
            WITHOUT_GRAPH, without_graph.user_vectors(users), without_graph.item_vectors, counts
        ),
        best,
    )
    for arm in arms:
        shelf = home / "shelves" / f"{arm.name}.parquet"
        write(people, arm.scores, catalogue, shelf, depth=evaluation.k)
    lists = home / "recommendations.parquet"
    write(people, best.scores, catalogue, lists, depth=evaluation.depth)
    metrics = {
        "cut": cut.isoformat(),
        "window_days": window_days,
        "release": {
            "release_id": release.release_id,
            "promoted": release.promoted,
            "reasons": list(release.reasons),
            "warnings": list(release.warnings),
        },
        "test": measured.table.model_dump(mode="json"),
        "validation": backtest.table.model_dump(mode="json"),
    }
    write_json(home / "metrics.json", metrics)
    return Recommended(TableFile(lists))
