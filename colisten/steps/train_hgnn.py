"""Step: train the heterogeneous GNN and compute vectors for the whole catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from colisten.settings.sections import HGNNSettings
from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.models import HGNNModel
from colisten.steps.artifacts.reports import HtmlPage, Metrics
from colisten.steps.artifacts.vectors import ItemVectors, TextVectors


class Trained(NamedTuple):
    """The model, its vectors of all items and its learning curve."""

    model: HGNNModel
    vectors: ItemVectors
    curve: HtmlPage
    metrics: Metrics


def train_hgnn(
    graph: GraphSet,
    text: TextVectors,
    checkpoints: Path,
    *,
    hgnn: HGNNSettings,
    seed: int,
    threads: int,
    out: Path,
) -> Trained:
    """Train on the whole graph; embed every item on it, each fold's graph and the earlier one.

    Args:
        graph: Graphs.
        text: Text vectors.
        checkpoints: Folder that keeps unfinished training across runs.

    Raises:
        TrainingError: Inputs do not fit, or the loss stopped being finite.
    """
    import shutil

    import numpy as np

    from colisten.files import combined_digest
    from colisten.json_files import to_json
    from colisten.steps.embed_items import item_vectors
    from colisten.training.hgnn.train import train_hgnn as train

    moment = graph.validation_moment
    key = combined_digest(
        {
            "graph": graph.full.digest(),
            "text": text.digest,
            "settings": to_json([hgnn, seed, threads, moment]),
        }
    )
    work = checkpoints / f"hgnn-{key[:16]}"
    matrix = np.array(text.vectors)
    result = train(
        graph.full,
        matrix,
        hgnn,
        seed=seed,
        threads=threads,
        out=work,
        validation_from=moment,
    )
    vectors = item_vectors(result.model, graph, matrix)
    model = out / "model"
    shutil.copytree(work, model, ignore=shutil.ignore_patterns("checkpoint*"))
    shutil.rmtree(work, ignore_errors=True)
    curve = HtmlPage.of_curve(result.curve, title="HGNN training")
    return Trained(HGNNModel(model), vectors, curve, Metrics(result.metrics()))
