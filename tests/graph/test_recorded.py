"""The two-type graph and its batches, recorded before relations had names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from colisten.graph.build import build_graph
from colisten.graph.graph import CoListeningGraph
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.settings.sections import GraphSettings, HGNNSettings
from colisten.settings.tree import Settings
from colisten.training.hgnn import embed_catalogue, train_hgnn
from tests.conftest import CUT
from tests.graph.sections import of_graph, of_hgnn

GRAPH = "537933eda60dbb8b6a7df8a360fe26870c611b16fd879d69a0dc410a927b1d8c"
DRAWS = "75127d1ec96c6e52bd108d10b2998f0312a6e07e64bd812378332c3f0cb093b8"


def digest(arrays: list[np.ndarray]) -> str:
    return hashlib.sha256(
        b"".join(np.ascontiguousarray(each).tobytes() for each in arrays)
    ).hexdigest()


@pytest.fixture(scope="module")
def graph(tiny_history: Path) -> CoListeningGraph:
    settings = Settings(threads=1, graph=GraphSettings(top_k=8))
    return build_graph(tiny_history, as_of=CUT, **of_graph(settings))


def test_the_edges_are_the_same(graph: CoListeningGraph) -> None:
    names = ("indptr", "indices", "weights", "times")
    assert digest([getattr(r, name) for r in graph.relations.values() for name in names]) == GRAPH


def test_the_draws_are_the_same(graph: CoListeningGraph) -> None:
    drawn: list[np.ndarray] = []
    for temporal in (False, True):
        loader = MultiLinkNeighborLoader(
            graph,
            (6, 4),
            batch_size=64,
            weighted=True,
            weighted_edges=True,
            negatives="hard",
            num_negatives=2,
            seed=5,
            edge_weights=True,
            temporal=temporal,
        )
        batch = loader.batch(1, 0)
        drawn += batch.neighbourhood.levels
        for name, pairs in batch.pairs.items():
            drawn += [pairs, batch.negatives[name]]
    assert digest(drawn) == DRAWS


def test_the_vectors_are_the_same(graph: CoListeningGraph, tmp_path: Path) -> None:
    """To what another processor's arithmetic leaves of them."""
    vectors = np.random.default_rng(0).normal(size=(graph.num_items, 20))
    text = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    options = HGNNSettings(
        dim=16,
        fanouts=(6, 4),
        batch_size=128,
        max_steps=24,
        evaluate_every=4,
        patience=100,
        learning_rate=0.01,
    )
    settings = Settings(seed=3, threads=1, hgnn=options)
    result = train_hgnn(
        graph,
        text,
        **of_hgnn(settings),
        out=tmp_path / "hgnn",
    )
    losses = [point["train_loss"] for point in result.curve[:3]]
    assert losses == pytest.approx([5.180827, 4.738275, 4.685686], abs=1e-4)
    z = embed_catalogue(result.model, graph, text)
    np.testing.assert_allclose(z[7, :4], [0.431249, 0.464073, 0.425107, 0.016439], atol=1e-3)
