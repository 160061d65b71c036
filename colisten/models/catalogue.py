"""Vectors of a whole catalogue: every neighbour of every item, nothing sampled."""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colisten.errors import TrainingError
from colisten.files import write_aside
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import relation_label
from colisten.models.aggregation import Aggregation, aggregate, compiled, share
from colisten.models.hgnn import HGNN, HGNNLayer, check_inputs
from colisten.progress import track
from colisten.sampling.adjacency import Adjacency, Neighbours
from colisten.sampling.draws import draw_edges

# Items whose vectors are computed at once.
BLOCK = 16384


@torch.no_grad()
def embed_catalogue(
    model: HGNN, graph: CoListeningGraph, text: np.ndarray, out: Path | None = None
) -> np.ndarray:
    """Vectors of every item from all of its neighbours: float32 unit rows [num_items, dim].

    Works layer by layer over the whole catalogue, so the cost is one pass over the edges per
    layer. Text and edges may be memory-mapped, they are read in blocks; three arrays of
    [num_items, dim] are held at most. The graph may be another than the model was trained on (a
    day later, or without a fold of users); learned ids (`hgnn.id_vectors`) count only in the
    catalogue they were learned in.

    Args:
        model: A trained HGNN on the CPU.
        graph: Neighbours.
        text: float16 or float32 [num_items, text_dim], in catalogue order.
        out: File `.npy` that receives the vectors; the result is then memory-mapped.

    Raises:
        TrainingError: The text vectors or the graph do not fit the model.
    """
    check_inputs(graph, text)
    if text.shape[1] != model.text_dim or graph.item_types != model.item_types:
        raise TrainingError(
            f"The model takes text vectors of length {model.text_dim} and types "
            f"{model.item_types}; given are {text.shape[1]} and {graph.item_types}.",
            "Train it on this text encoder and these types.",
        )
    if lost := [name for name in graph.relations if name not in model.relations]:
        raise TrainingError(f"The model knows no relation {lost[0]}.", "Train it on this graph.")
    was_training = model.training
    model.eval()
    hidden = text
    for number, layer in enumerate(model.layers):
        assert isinstance(layer, HGNNLayer)
        hidden = _layer(layer, graph, hidden, model.settings.aggregation, f"layer {number + 1}")
    ids = model.ids_of(graph)
    with ExitStack() as stack:
        vectors = hidden
        if out is not None:
            aside = stack.enter_context(write_aside(out))
            with aside.open("wb") as file:
                shape = (graph.num_items, model.settings.dim)
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for part in _blocks(graph.num_items):
                    file.write(_combined(model, text, hidden, ids, part).tobytes())
        else:
            for part in _blocks(graph.num_items):
                vectors[part] = _combined(model, text, hidden, ids, part)
    model.train(was_training)
    if out is None:
        return vectors
    mapped: np.ndarray = np.load(out, mmap_mode="r", allow_pickle=False)
    return mapped


def _layer(
    layer: HGNNLayer, graph: CoListeningGraph, hidden: np.ndarray, how: Aggregation, label: str
) -> np.ndarray:
    """One layer's output [num_items, narrow] from its input [num_items, wide]."""
    whole = slice(0, graph.num_items)
    out = _through(layer.update, hidden, whole, layer.update.out_features)
    adjacency = Adjacency.of_graph(graph)
    for name, relation in adjacency.relations.items():
        if not relation.num_edges:
            continue
        source, node = graph.slice_of(name[0]), graph.slice_of(name[2])
        messages = _through(partial(layer.message, name), hidden, source, layer.update.out_features)
        rows = out[node]
        for part in track(list(_blocks(len(rows))), f"{label}, {relation_label(*name[::-1])}"):
            _add_all_neighbours(rows, messages, relation, part, how)
    for part in _blocks(graph.num_items):
        out[part] = layer.finish(torch.from_numpy(out[part])).numpy()
    return out


def _add_all_neighbours(
    out: np.ndarray, messages: np.ndarray, relation: Neighbours, part: slice, how: Aggregation
) -> None:
    """Add the aggregated messages of all neighbours of rows `part` to `out`, in place."""
    indptr = relation.indptr[part.start : part.stop + 1]
    if compiled is not None:
        arrays: list[Any] = [indptr, relation.indices]
        if how != "max":
            none = np.zeros(0, np.float32)
            arrays.append(relation.weights if how == "weighted" else none)
        kernel = compiled.max_csr if how == "max" else compiled.mean_csr
        share(kernel, part.stop - part.start, *arrays, messages, out[part])
        return
    degrees = np.diff(indptr)
    # Rows of like degree share a table, so little of it is padding.
    order = np.argsort(degrees, kind="stable")
    for rows in np.array_split(order, max(1, len(order) // 1024)):
        edges = draw_edges(relation, rows + part.start, int(degrees[rows].max(initial=0)), 0)
        taken = edges >= 0
        table = np.where(taken, relation.indices[edges], len(messages))
        weights = None
        if how == "weighted":
            assert relation.weights is not None
            weights = torch.from_numpy(np.where(taken, relation.weights[edges], np.float32(0)))
        aggregated = aggregate(torch.from_numpy(messages), torch.from_numpy(table), how, weights)
        out[rows + part.start] += aggregated.numpy()


def _through(
    function: Callable[[Tensor], Tensor], source: np.ndarray, of: slice, width: int
) -> np.ndarray:
    """`function` of rows `of`, block by block, float32 [rows, width]."""
    out = np.empty((of.stop - of.start, width), np.float32)
    for part in _blocks(len(out)):
        rows = source[of.start + part.start : of.start + part.stop]
        out[part] = function(torch.from_numpy(np.require(rows, np.float32, ["C", "W"]))).numpy()
    return out


def _combined(
    model: HGNN, text: np.ndarray, hidden: np.ndarray, ids: Tensor | None, part: slice
) -> np.ndarray:
    rows = torch.from_numpy(np.require(text[part], np.float32, ["C", "W"]))
    learned = None if ids is None else ids[part]
    vectors: np.ndarray = model.combine(rows, torch.from_numpy(hidden[part]), learned).numpy()
    return vectors


def _blocks(size: int) -> Iterator[slice]:
    for start in range(0, size, BLOCK):
        yield slice(start, min(start + BLOCK, size))
