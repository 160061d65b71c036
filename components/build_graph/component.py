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
    """Build `full` and, for cross-fitting, `fold-<k>` without the users of fold k.

    Args:
        history: Checked tables.
        as_of: UTC moment; events at or after it make no edge.
        settings: `Settings.to_json()`.
    """
    import json
    from datetime import datetime
    from pathlib import Path

    from colisten.config import Settings
    from colisten.graph.build import build_graph
    from colisten.logs import configure_logs

    configure_logs()
    chosen = Settings.from_json(settings)
    moment = datetime.fromisoformat(as_of)
    full = build_graph(Path(history.path), as_of=moment, settings=chosen)
    full.save(Path(graph.path) / "full")
    for fold in range(chosen.hgnn.folds):
        build_graph(Path(history.path), as_of=moment, settings=chosen, leave_out_fold=fold).save(
            Path(graph.path) / f"fold-{fold}"
        )
    graph.metadata["digest"] = full.digest()
    counts = {
        f"edges_{source}_{target}": float(relation.num_edges)
        for (source, target), relation in full.relations.items()
    }
    for name, value in counts.items():
        metrics.log_metric(name, value)
    Path(metrics.path).write_text(json.dumps(counts))
