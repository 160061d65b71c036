"""Step: every user's list, the arms' shelves and the run's metrics."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def recommend(
    history: Input[Dataset],
    features: Input[Dataset],
    release: Input[Artifact],
    towers_text: Input[Model],
    rehearsal: Input[Dataset],
    measured: Input[Dataset],
    cut: str,
    window_days: int,
    home: str,
    settings: str,
    recommendations: Output[Dataset],
) -> None:
    """Write `recommendations.parquet`, `shelves/` and `metrics.json` under `home`.

    Args:
        history: Checked tables.
        features: Feast repository.
        release: The published release.
        towers_text: 2T without graph, an arm of its own.
        rehearsal: Evaluation on the window before the cut.
        measured: Evaluation on the window after it.
        cut: UTC moment.
        window_days: Days of the window that measured it.
        home: Folder that owns the results.
        settings: `Settings.to_json()`.
    """
    import shutil
    from pathlib import Path

    from colisten.config import Settings
    from colisten.data.catalogue import Catalogue
    from colisten.data.moments import parse_moment
    from colisten.engine import Engine
    from colisten.evaluation.popularity import popularity
    from colisten.features.store import open_store, users_as_of
    from colisten.json_files import read_mapping, write_json
    from colisten.logs import configure_logs
    from colisten.models.onnx_tower import OnnxUserTower
    from colisten.ranking.eligible import eligible_users
    from colisten.ranking.events import EventLog
    from colisten.ranking.model_rankers import POPULARITY, WITHOUT_GRAPH
    from colisten.ranking.rankers import SUBJECT, PopularityRanker, VectorRanker
    from colisten.ranking.recommend import recommend

    configure_logs()
    chosen = Settings.from_json(settings)
    moment = parse_moment(cut, "cut")
    catalogue = Catalogue.read(Path(history.path))
    published = read_mapping(Path(release.path))
    tower = OnnxUserTower(Path(published["folder"]), threads=chosen.threads)
    without_graph = OnnxUserTower(Path(towers_text.path), threads=chosen.threads)
    engine = Engine(threads=chosen.threads, memory_limit=chosen.memory_limit)
    happened = EventLog([Path(history.path)], catalogue, chosen.data, engine)
    people = eligible_users(happened, moment)
    users = users_as_of(
        open_store(Path(features.path)),
        people.user_ids.tolist(),
        moment,
        catalogue.index_of,
        tower.spec,
    )
    counts = popularity(happened, moment, chosen.evaluation.popularity_days)
    arms = (
        PopularityRanker(POPULARITY, counts),
        VectorRanker(
            WITHOUT_GRAPH, without_graph.user_vectors(users), without_graph.item_vectors, counts
        ),
        VectorRanker(SUBJECT, tower.user_vectors(users), tower.item_vectors, counts),
    )
    root = Path(home)
    for arm in arms:
        recommend(
            people,
            arm.scores,
            catalogue,
            root / "shelves" / f"{arm.name}.parquet",
            depth=chosen.evaluation.k,
        )
    recommend(
        people,
        arms[-1].scores,
        catalogue,
        root / "recommendations.parquet",
        depth=chosen.evaluation.depth,
    )
    Path(recommendations.path).mkdir(parents=True)
    shutil.copy(root / "recommendations.parquet", recommendations.path)
    metrics = {
        "cut": cut,
        "window_days": int(window_days),
        "release": {
            name: published[name] for name in ("release_id", "promoted", "reasons", "warnings")
        },
        "test": read_mapping(Path(measured.path)),
        "validation": read_mapping(Path(rehearsal.path)),
    }
    write_json(root / "metrics.json", metrics)
