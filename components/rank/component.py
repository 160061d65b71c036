"""Step: the lists of one training on a window, to be measured beside those of others."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def rank(
    history: Input[Dataset],
    events: Input[Dataset],
    features: Input[Dataset],
    text: Input[Dataset],
    vectors: Input[Dataset],
    towers: Input[Model],
    model: str,
    beside: str,
    as_of: str,
    window_days: int,
    settings: str,
    lists: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """The best items of every user who has a target in the window.

    Args:
        history: Checked tables.
        events: Folder that holds the window's events.
        features: Feast repository.
        text: Text vectors.
        vectors: HGNN vectors.
        towers: The two towers that were trained.
        model: What these towers are called among the lists.
        beside: Other rankers to list as well, by name and with commas: `HGNN-mean`,
            `popularity`; empty for none.
        as_of: UTC moment that starts the window; models saw nothing at or after it.
        window_days: Length of the window.
        settings: `Settings.to_json()`.
    """
    from pathlib import Path

    import numpy as np

    from colisten.config import Settings
    from colisten.data.catalogue import Catalogue
    from colisten.data.moments import parse_moment
    from colisten.engine import Engine
    from colisten.errors import EvaluationError
    from colisten.evaluation.split import evaluation_set
    from colisten.features.store import open_store, users_as_of
    from colisten.logs import configure_logs
    from colisten.models.onnx_tower import OnnxUserTower
    from colisten.ranking.events import EventLog
    from colisten.ranking.lists import rank_lists
    from colisten.ranking.model_rankers import ModelRankers
    from components.figures import log_figures

    configure_logs()
    chosen = Settings.from_json(settings)
    moment = parse_moment(as_of, "as_of")
    catalogue = Catalogue.read(Path(history.path))
    folders = [Path(history.path), Path(events.path)]
    engine = Engine(threads=chosen.threads, memory_limit=chosen.memory_limit)
    happened = EventLog(folders, catalogue, chosen.data, engine)
    window = evaluation_set(happened, cut=moment, window_days=int(window_days))
    tower = OnnxUserTower(Path(towers.path), threads=chosen.threads)
    models = ModelRankers(
        events=happened,
        as_of=moment,
        text=np.load(Path(text.path) / "vectors.npy", mmap_mode="r"),
        z=np.load(Path(vectors.path) / "z.npy", mmap_mode="r"),
        towers=tower,
        towers_text=tower,
        popularity_days=chosen.evaluation.popularity_days,
        seed=chosen.seed,
    )
    users = users_as_of(
        open_store(Path(features.path)),
        window.user_ids.tolist(),
        moment,
        catalogue.index_of,
        tower.spec,
    )
    wanted = [name for name in beside.split(",") if name]
    others = {each.name: each for each in models.rankers(users)} if wanted else {}
    if unknown := [name for name in wanted if name not in others]:
        raise EvaluationError(
            f"There are no rankers {', '.join(unknown)}.", f"There are {', '.join(others)}."
        )
    rankers = [
        *(others[name] for name in wanted),
        models.two_tower(model, tower, users, models.recent_popularity()),
    ]
    found = rank_lists(rankers, window, chosen.evaluation, folder=Path(lists.path))
    figures = {"users": float(len(window)), "models": float(len(found.models))}
    log_figures(metrics, figures)
