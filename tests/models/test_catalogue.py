"""Vectors of a whole catalogue: in blocks, into a file, from memory-mapped text, with ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from colisten.models import aggregation, catalogue
from colisten.models.aggregation import Aggregation
from colisten.models.catalogue import embed_catalogue
from colisten.models.hgnn import HGNN
from colisten.sampling.neighbours import NeighborSampler
from colisten.settings.sections import HGNNSettings
from tests.models.test_hgnn import WAYS, model_of, text_of
from tests.sampling.graphs import random_graph


@WAYS
def test_blocks_do_not_change_the_vectors(
    monkeypatch: pytest.MonkeyPatch, how: Aggregation
) -> None:
    graph = random_graph(50, 80, 900, seed=2)
    text = text_of(graph)
    model = model_of(graph, 12, residual=True, how=how)
    whole = embed_catalogue(model, graph, text)
    monkeypatch.setattr(catalogue, "BLOCK", 7)
    np.testing.assert_allclose(embed_catalogue(model, graph, text), whole, atol=1e-5)


@WAYS
def test_kernels_and_torch_agree(monkeypatch: pytest.MonkeyPatch, how: Aggregation) -> None:
    graph = random_graph(50, 80, 900, seed=2)
    text = text_of(graph)
    model = model_of(graph, 12, residual=True, how=how)
    fast = embed_catalogue(model, graph, text)
    monkeypatch.setattr(catalogue, "compiled", None)
    monkeypatch.setattr(aggregation.aggregate, "__kwdefaults__", {"engine": None})
    np.testing.assert_allclose(embed_catalogue(model, graph, text), fast, atol=1e-5)


def test_a_file_holds_the_same_bytes_and_text_may_be_mapped(tmp_path: Path) -> None:
    graph = random_graph(50, 80, 900, seed=2)
    text = text_of(graph)
    model = model_of(graph, 12, residual=True)
    whole = embed_catalogue(model, graph, text)
    np.save(tmp_path / "text.npy", text)
    mapped = np.load(tmp_path / "text.npy", mmap_mode="r")
    stored = embed_catalogue(model, graph, mapped, tmp_path / "z.npy")
    assert isinstance(stored, np.memmap)
    assert stored.dtype == np.float32
    assert stored.tobytes() == whole.tobytes() == np.load(tmp_path / "z.npy").tobytes()
    assert {file.name for file in tmp_path.iterdir()} == {"text.npy", "z.npy"}


def test_half_precision_text_is_read_in_blocks() -> None:
    graph = random_graph(50, 80, 900, seed=2)
    half = text_of(graph).astype(np.float16)
    model = model_of(graph, 12, residual=True)
    whole = embed_catalogue(model, graph, half.astype(np.float32))
    assert embed_catalogue(model, graph, half).tobytes() == whole.tobytes()


def test_repeats_are_equal_to_the_byte_with_any_number_of_threads() -> None:
    graph = random_graph(400, 800, 9000, seed=2)
    text = text_of(graph)
    model = model_of(graph, 12, residual=True)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            results.append(embed_catalogue(model, graph, text).tobytes())
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def with_ids(graph: object, dropout: float = 0.5) -> HGNN:
    torch.manual_seed(0)
    options = HGNNSettings(dim=16, id_vectors=True, id_dropout=dropout, aggregation="max")
    ids = (graph.num_items, graph.ids_digest)  # type: ignore[attr-defined]
    return HGNN(12, graph.item_types, graph.relations, options, ids)  # type: ignore[attr-defined]


def test_learned_ids_count_in_their_own_catalogue_only() -> None:
    graph, other = random_graph(20, 30, 300, seed=1), random_graph(20, 30, 300, seed=2)
    text = text_of(graph)
    model = with_ids(graph).eval()
    bare = embed_catalogue(model, graph, text)
    elsewhere = embed_catalogue(model, other, text)
    torch.nn.init.normal_(model.id_vectors.weight)
    assert np.abs(embed_catalogue(model, graph, text) - bare).max() > 0.1
    assert (embed_catalogue(model, other, text) == elsewhere).all()
    seeds = np.arange(0, 50, 3)
    around = NeighborSampler(graph, (1000, 1000)).sample(seeds, 0)
    with torch.no_grad():
        sampled = model(torch.from_numpy(text[around.inputs]), around).numpy()
    np.testing.assert_allclose(sampled, embed_catalogue(model, graph, text)[seeds], atol=1e-5)


def test_ids_start_at_nothing_are_dropped_in_training_and_learn_where_seeds_are() -> None:
    graph = random_graph(20, 30, 300, seed=1)
    text = text_of(graph)
    model = with_ids(graph, dropout=1.0)
    torch.nn.init.normal_(model.id_vectors.weight)
    around = NeighborSampler(graph, (1000, 1000)).sample(np.array([3, 30]), 0)
    inputs = torch.from_numpy(text[around.inputs])
    dropped = model(inputs, around)
    kept = model.eval()(inputs, around)
    assert (dropped - kept).abs().max() > 0.1
    model.zero_grad()
    model(inputs, around)[:, 0].sum().backward()
    grad = model.id_vectors.weight.grad
    assert grad is not None
    assert grad.is_sparse
    assert grad.coalesce().indices().flatten().tolist() == [3, 30]
