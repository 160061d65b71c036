"""Step: train the heterogeneous GNN and compute vectors for the whole catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from colisten.settings.sections import HGNNSettings
from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.models import HGNNModel
from colisten.steps.artifacts.reports import HtmlPage, Metrics
from colisten.steps.artifacts.vectors import ItemVectors, TextVectors

if TYPE_CHECKING:
    from colisten.training.hgnn.files import HGNNResult


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

    from colisten.steps.embed_items import item_vectors

    result = learn(graph, text, checkpoints, hgnn=hgnn, seed=seed, threads=threads)
    vectors = item_vectors(result.model, graph, np.array(text.vectors))
    model = out / "model"
    shutil.copytree(result.folder, model, ignore=shutil.ignore_patterns("checkpoint*"))
    shutil.rmtree(result.folder, ignore_errors=True)
    curve = HtmlPage.of_curve(result.curve, title="HGNN training")
    return Trained(HGNNModel(model), vectors, curve, Metrics(result.metrics()))


def learn(
    graph: GraphSet,
    text: TextVectors,
    checkpoints: Path,
    *,
    hgnn: HGNNSettings,
    seed: int,
    threads: int,
) -> HGNNResult:
    """Train in a folder of `checkpoints`: what every process under `torchrun` takes part in.

    Args:
        graph: Graphs, of which the whole is learned from.
        text: Text vectors.
        checkpoints: As of the step; one folder for all processes.
    """
    import numpy as np

    from colisten.files import combined_digest
    from colisten.json_files import to_json
    from colisten.training.hgnn.train import train_hgnn as train

    moment = graph.validation_moment
    key = combined_digest(
        {
            "graph": graph.full.digest(),
            "text": text.digest,
            "settings": to_json([hgnn, seed, threads, moment]),
        }
    )
    return train(
        graph.full,
        np.array(text.vectors),
        hgnn,
        seed=seed,
        threads=threads,
        out=checkpoints / f"hgnn-{key[:16]}",
        validation_from=moment,
    )
