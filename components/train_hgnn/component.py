"""Step: train the heterogeneous GNN and compute vectors for the whole catalogue."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_hgnn(
    graph: Input[Dataset],
    text: Input[Dataset],
    checkpoints: str,
    settings: str,
    model: Output[Model],
    vectors: Output[Dataset],
    curve: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Train on the whole graph; embed every item on it, each fold's graph and the earlier one.

    Beside them lie the co-listening factors of the whole graph and the earlier one.

    Args:
        graph: Graphs: `full`, `fold-<k>`, `validation`.
        text: Text vectors.
        checkpoints: Folder that keeps unfinished training across runs.
        settings: `Settings.to_json()`.
    """
    import shutil
    from pathlib import Path

    import numpy as np

    from colisten.config import Settings
    from colisten.files import combined_digest, file_digest
    from colisten.graph.factors import co_listening_factors
    from colisten.graph.graph import CoListeningGraph
    from colisten.graph.report import graph_report
    from colisten.json_files import read_json, to_json
    from colisten.logs import configure_logs, logger
    from colisten.training.hgnn import embed_catalogue, train_hgnn
    from components.figures import log_figures

    configure_logs()
    chosen = Settings.from_json(settings)
    full = CoListeningGraph.load(Path(graph.path) / "full")
    validation_from = read_json(Path(graph.path) / "validation.json")
    text_file = Path(text.path) / "vectors.npy"
    matrix = np.load(text_file)
    for finding in graph_report(full, matrix, data=chosen.data, seed=chosen.seed).findings:
        logger("graph").warning(finding.what, severe=finding.severe, advice=finding.advice)
    key = combined_digest(
        {
            "graph": full.digest(),
            "text": file_digest(text_file),
            "settings": to_json(chosen.hgnn) + str(chosen.seed),
            "validation_from": str(validation_from),
        }
    )
    work = Path(checkpoints) / f"hgnn-{key[:16]}"
    result = train_hgnn(full, matrix, chosen, out=work, validation_from=validation_from)
    shutil.copytree(work, model.path, ignore=shutil.ignore_patterns("checkpoint*"))
    Path(vectors.path).mkdir(parents=True)
    np.save(Path(vectors.path) / "z.npy", embed_catalogue(result.model, full, matrix))
    folds = [
        embed_catalogue(
            result.model, CoListeningGraph.load(Path(graph.path) / f"fold-{fold}"), matrix
        )
        for fold in range(chosen.cross_fitting.folds)
    ]
    np.save(Path(vectors.path) / "z_folds.npy", np.stack(folds))
    earlier = CoListeningGraph.load(Path(graph.path) / "validation")
    np.save(Path(vectors.path) / "z_validation.npy", embed_catalogue(result.model, earlier, matrix))
    for name, seen in (("factors", full), ("factors_validation", earlier)):
        np.save(
            Path(vectors.path) / f"{name}.npy", co_listening_factors(seen, chosen.graph.factors)
        )
    figures = {"steps": float(result.steps), "best_step": float(result.best_step)}
    if result.best_loss is not None:
        figures["best_validation_loss"] = result.best_loss
    log_figures(metrics, figures)
    shutil.copy(work / "curve.html", curve.path)
    shutil.rmtree(work, ignore_errors=True)
