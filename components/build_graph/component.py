"""Step: the co-listening graph, whole and once per left-out user fold."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def build_graph(
    history: Input[Dataset],
    as_of: str,
    settings: str,
    graph: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Build `full`, for cross-fitting `fold-<k>` without the users of fold k, and `validation`.

    `validation` ends where the rows begin that the towers hold out: what a release made then had.

    Args:
        history: Checked tables.
        as_of: UTC moment; events at or after it make no edge.
        settings: `Settings.to_json()`.
    """
    from pathlib import Path

    from colisten.config import Settings
    from colisten.data.moments import parse_moment
    from colisten.features.examples import first_streams
    from colisten.graph.build import build_graph
    from colisten.json_files import write_json
    from colisten.logs import configure_logs
    from colisten.training.tower_validation import held_out_moment
    from components.figures import log_figures

    configure_logs()
    chosen = Settings.from_json(settings)
    moment = parse_moment(as_of, "as_of")
    full = build_graph(Path(history.path), as_of=moment, settings=chosen)
    full.save(Path(graph.path) / "full")
    for fold in range(chosen.cross_fitting.folds):
        build_graph(Path(history.path), as_of=moment, settings=chosen, leave_out_fold=fold).save(
            Path(graph.path) / f"fold-{fold}"
        )
    streams = first_streams(
        Path(history.path), as_of=moment, target_type=chosen.data.target_type
    ).column("timestamp")
    validation_from = held_out_moment(streams, chosen.towers.validation_share)
    earlier = full
    if validation_from is not None:
        earlier = build_graph(Path(history.path), as_of=validation_from, settings=chosen)
    earlier.save(Path(graph.path) / "validation")
    microseconds = None if validation_from is None else round(validation_from.timestamp() * 1e6)
    write_json(Path(graph.path) / "validation.json", microseconds)
    graph.metadata["digest"] = full.digest()
    counts = {
        f"edges_{source}_{target}": float(relation.num_edges)
        for (source, target), relation in full.relations.items()
    }
    log_figures(metrics, counts)
