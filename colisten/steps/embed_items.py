"""Step: vectors for the whole catalogue by an HGNN that is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.models import HGNNModel
from colisten.steps.artifacts.reports import Metrics
from colisten.steps.artifacts.vectors import ItemVectors, TextVectors

if TYPE_CHECKING:
    from colisten.models.hgnn import HGNN


class Embedded(NamedTuple):
    """The vectors."""

    vectors: ItemVectors
    metrics: Metrics


def embed_items(graph: GraphSet, text: TextVectors, hgnn: HGNNModel, *, threads: int) -> Embedded:
    """Embed the catalogue on every graph of the set, as `train_hgnn` does with its own model.

    Args:
        graph: Graphs.
        text: Text vectors, by the encoder that the model was trained on.
        hgnn: The model.
        threads: What the step is run with (`execute`); they decide the last bits.

    Raises:
        TrainingError: Text vectors or graphs do not fit the model, or it cannot be read.
    """
    from colisten.training.hgnn import load_hgnn

    vectors = item_vectors(load_hgnn(hgnn.folder), graph, np.array(text.vectors))
    return Embedded(vectors, Metrics({"items": float(len(vectors.z))}))


def item_vectors(model: HGNN, graph: GraphSet, text: np.ndarray) -> ItemVectors:
    """Vectors of every item on the whole graph, on each without a user fold, and on the earlier.

    So a training row never sees vectors shaped by the edges of its own user's fold.

    Args:
        model: A trained HGNN.
        graph: Graphs.
        text: float32 [num_items, dim].

    Raises:
        TrainingError: Text vectors or graphs do not fit the model.
    """
    from colisten.training.hgnn import embed_catalogue

    folds = [embed_catalogue(model, graph.fold(fold), text) for fold in range(graph.num_folds)]
    return ItemVectors(
        z=embed_catalogue(model, graph.full, text),
        z_folds=np.stack(folds),
        z_validation=embed_catalogue(model, graph.validation, text),
    )
