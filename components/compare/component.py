"""Step: one table of several trainings, whose intervals hold the noise of seeds too."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def compare(
    history: Input[Dataset],
    events: Input[Dataset],
    features: Input[Dataset],
    text: Input[Dataset],
    lists: Input[list[Dataset]],
    measured: str,
    subject: str,
    as_of: str,
    window_days: int,
    settings: str,
    table: Output[Dataset],
    page: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """HR, MRR and coverage of every model over all of its trainings; all, warm and cold users.

    Args:
        history: Checked tables.
        events: Folder that holds the window's events.
        features: Feast repository.
        text: Text vectors.
        lists: Of every trial; those of one model are its trainings.
        measured: Folder of lists that come first; empty for none.
        subject: The model that every other is compared with.
        as_of: UTC moment that starts the window.
        window_days: Length of the window.
        settings: `Settings.to_json()`.
    """
    from pathlib import Path

    import numpy as np

    from colisten.config import Settings
    from colisten.data.catalogue import Catalogue
    from colisten.data.moments import parse_moment
    from colisten.evaluation.facts import ItemFacts
    from colisten.evaluation.lists import Lists
    from colisten.evaluation.popularity import popularity
    from colisten.evaluation.slices import finer_slices
    from colisten.evaluation.split import evaluation_set
    from colisten.evaluation.table import evaluate_lists
    from colisten.features.store import music_dim, open_store, user_rows
    from colisten.features.users import UserBatch
    from colisten.json_files import write_json
    from colisten.logs import configure_logs
    from colisten.reports.evaluation import to_html
    from colisten.reports.page import write_page
    from colisten.sections import ITEM_TYPES
    from components.figures import log_figures

    configure_logs()
    chosen = Settings.from_json(settings)
    moment = parse_moment(as_of, "as_of")
    catalogue = Catalogue.read(Path(history.path))
    target = chosen.data.target_type
    folders = [Path(history.path), Path(events.path)]
    window = evaluation_set(
        folders,
        catalogue,
        cut=moment,
        window_days=int(window_days),
        target_type=target,
        settings=chosen,
    )
    trainings: dict[str, list[np.ndarray]] = {}
    for folder in [*([measured] if measured else []), *(each.path for each in lists)]:
        found = Lists.load(Path(folder))
        found.check(window)
        for model in found.models:
            trainings.setdefault(model, []).append(found[model])
    streams = popularity(
        folders, catalogue, as_of=moment, target_type=target, window_days=None, settings=chosen
    )
    store = open_store(Path(features.path))
    users = UserBatch.from_table(
        user_rows(store, window.user_ids.tolist(), moment),
        catalogue.index_of,
        ITEM_TYPES,
        music_dim(store),
    )
    result = evaluate_lists(
        trainings,
        window,
        chosen,
        chosen.seed,
        subject=subject,
        finer=finer_slices(
            window,
            catalogue,
            streams,
            np.sum([each.counts for each in users.histories.values()], axis=0),
        ),
        facts=ItemFacts(
            streams,
            np.load(Path(text.path) / "vectors.npy", mmap_mode="r")[catalogue.slice_of(target)],
        ),
    )
    write_json(Path(table.path), result)
    write_page(Path(page.path), to_html(result))
    figures = {
        "users": float(len(window)),
        "models": float(len(trainings)),
        "trainings": float(max(map(len, trainings.values()))),
    }
    log_figures(metrics, figures)
