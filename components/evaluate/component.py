"""Step: measure all models on a window."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    history: Input[Dataset],
    events: Input[Dataset],
    features: Input[Dataset],
    text: Input[Dataset],
    vectors: Input[Dataset],
    towers: Input[Model],
    towers_text: Input[Model],
    as_of: str,
    window_days: int,
    rivals: bool,
    settings: str,
    table: Output[Dataset],
    page: Output[HTML],
    metrics: Output[Metrics],
    lists: Output[Dataset],
) -> None:
    """HR, MRR and coverage with intervals for every model; all, warm and cold users.

    Args:
        history: Checked tables.
        events: Folder that holds the window's events: `history` itself for a rehearsal, the
            holdout for the final measurement.
        features: Feast repository.
        text: Text vectors.
        vectors: HGNN vectors.
        towers: 2T-HGNN.
        towers_text: 2T without graph.
        as_of: UTC moment that starts the window; models saw nothing at or after it.
        window_days: Length of the window.
        rivals: Also measure decayed popularity, item-kNN, EASE, ALS, BPR, LightGCN and an HGNN
            with users as nodes, each tuned on the window before `as_of`.
        settings: `Settings.to_json()`.
        table: `EvaluationTable` as JSON.
        page: The table for people.
        metrics: Every measure of all users.
        lists: `Lists`, what each model showed each user.
    """
    from pathlib import Path

    import numpy as np

    from colisten.config import Settings
    from colisten.data.catalogue import Catalogue
    from colisten.data.moments import parse_moment
    from colisten.evaluation.contest import Contest
    from colisten.evaluation.facts import ItemFacts
    from colisten.evaluation.lists import rank_lists
    from colisten.evaluation.slices import finer_slices
    from colisten.evaluation.split import evaluation_set
    from colisten.evaluation.table import evaluate_lists
    from colisten.features.store import open_store, users_as_of
    from colisten.json_files import write_json
    from colisten.logs import configure_logs
    from colisten.models.onnx_tower import OnnxUserTower
    from colisten.reports.evaluation import to_html
    from colisten.reports.page import write_page
    from colisten.rivals.tuning import tuned_rivals
    from components.figures import log_figures

    configure_logs()
    chosen = Settings.from_json(settings)
    moment = parse_moment(as_of, "as_of")
    catalogue = Catalogue.read(Path(history.path))
    folders = list(dict.fromkeys([Path(history.path), Path(events.path)]))
    window = evaluation_set(
        folders,
        catalogue,
        cut=moment,
        window_days=int(window_days),
        target_type=chosen.data.target_type,
        settings=chosen,
    )
    contest = Contest(
        folders=folders,
        catalogue=catalogue,
        as_of=moment,
        text=np.load(Path(text.path) / "vectors.npy", mmap_mode="r"),
        z=np.load(Path(vectors.path) / "z.npy", mmap_mode="r"),
        towers=OnnxUserTower(Path(towers.path), threads=chosen.threads),
        towers_text=OnnxUserTower(Path(towers_text.path), threads=chosen.threads),
        settings=chosen,
    )
    spec = contest.towers.spec
    users = users_as_of(
        open_store(Path(features.path)), window.user_ids.tolist(), moment, catalogue.index_of, spec
    )
    rankers = contest.rankers(users)
    if rivals and chosen.evaluation.rivals and len(window):
        rankers += tuned_rivals(
            folders,
            catalogue,
            as_of=moment,
            window_days=int(window_days),
            user_ids=window.user_ids,
            fallback=contest.recent_popularity(),
            settings=chosen,
            text=contest.text,
        )
    streams = contest.all_time_popularity()
    finer = finer_slices(
        window,
        catalogue,
        streams,
        np.sum([history.counts for history in users.histories.values()], axis=0),
    )
    ranked = rank_lists(rankers, window, chosen, folder=Path(lists.path))
    result = evaluate_lists(
        {model: [items] for model, items in ranked.by_model.items()},
        window,
        chosen,
        chosen.seed,
        finer=finer,
        facts=ItemFacts(streams, contest.text[catalogue.slice_of(chosen.data.target_type)]),
    )
    write_json(Path(table.path), result)
    write_page(Path(page.path), to_html(result))
    figures = (
        {
            f"{model} {metric}".replace(" ", "_").replace("@", "_at_"): measure.value
            for model in result.models
            for metric, measure in result.row(model).metrics.items()
            if measure.value is not None
        }
        if not result.empty
        else {"users": 0.0}
    )
    log_figures(metrics, figures)
