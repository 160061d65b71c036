"""A graph of the paper's size on one small machine: stored, loaded, sampled, trained, embedded."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.alone import alone
from benchmarks.graphs import random_graph
from benchmarks.pairs import machine, write_result
from colisten.graph.graph import CoListeningGraph
from colisten.json_files import to_json
from colisten.models.catalogue import embed_catalogue
from colisten.models.hgnn import HGNN
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from colisten.settings.sections import HGNNSettings
from colisten.training.hgnn.validation import Objective

PARTS = {"tenth": 10, "whole": 1}
NODES = {"audiobook": 250_000, "podcast": 3_500_000}
PAIRS = {
    ("audiobook", "audiobook"): 2_100_000,
    ("audiobook", "podcast"): 10_500_000,
    ("podcast", "podcast"): 40_000_000,
}
TEXT_DIM = 384
OPTIONS = HGNNSettings(batch_size=86, fanouts=(10, 5))
STEPS, RUNS = 40, 5


def run() -> None:
    """Both sizes, each stage in a process of its own."""
    sizes = {}
    for name, part in PARTS.items():
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work)
            nodes = {item_type: count // part for item_type, count in NODES.items()}
            pairs = {relation: count // part for relation, count in PAIRS.items()}
            sizes[name] = {
                "store": alone(store, folder, nodes, pairs),
                "train": alone(train, folder, OPTIONS, RUNS, STEPS),
                "embed": alone(embed, folder, OPTIONS),
            }
        print(f"scale, {name}: {to_json(sizes[name])}")
    speeds = [
        sorted(sizes[name]["train"]["seed_edges_per_second"])[RUNS // 2]
        for name in ("whole", "tenth")
    ]
    write_result(
        "scale",
        {
            **machine(),
            "fan_outs": OPTIONS.fanouts,
            "pairs_per_relation_and_batch": OPTIONS.batch_size,
            "sizes": sizes,
            "speed_of_whole_over_tenth": round(speeds[0] / speeds[1], 3),
        },
    )


def store(folder: Path, nodes: dict[str, int], pairs: dict[tuple[str, str], int]) -> dict[str, Any]:
    """Draw a graph and text vectors and write both."""
    graph = random_graph(nodes, pairs)
    graph.save(folder / "graph")
    rng = np.random.default_rng(0)
    shape = (graph.num_items, TEXT_DIM)
    text = np.lib.format.open_memmap(folder / "text.npy", "w+", np.float16, shape)
    for start in range(0, len(text), 65536):
        rows = rng.standard_normal((min(65536, len(text) - start), TEXT_DIM), dtype=np.float32)
        text[start : start + len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    text.flush()
    return {"items": graph.num_items, "directed_edges": graph.num_edges}


def train(folder: Path, options: HGNNSettings, runs: int, steps: int) -> dict[str, Any]:
    """Load both and train; seed edges a second in each run of so many steps."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    started = time.perf_counter()
    graph, text = _loaded(folder)
    loaded = time.perf_counter()
    edges = SupervisedEdges.of(graph)
    loader = MultiLinkNeighborLoader(
        graph,
        options.fanouts,
        edges,
        batch_size=options.batch_size,
        weighted=True,
        edge_weights=options.aggregation == "weighted",
        num_workers=1,
    )
    model = HGNN(TEXT_DIM, graph.item_types, graph.relations, options)
    objective = Objective(edges, options, text, torch.device("cpu"))
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    ready = time.perf_counter()
    speeds: list[float] = []
    seeds, inputs, last = 0, 0, 0.0
    since = time.perf_counter()
    for step, batch in zip(range(runs * steps), loader.dense(0), strict=False):
        adam.zero_grad(set_to_none=True)
        loss = objective(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        last = loss.item()
        seeds += batch.num_pairs
        inputs += len(batch.neighbourhood.inputs)
        if (step + 1) % steps == 0:
            speeds.append(seeds / (time.perf_counter() - since))
            seeds, since = 0, time.perf_counter()
    return {
        "load_seconds": round(loaded - started, 2),
        "prepare_seconds": round(ready - loaded, 1),
        "steps": runs * steps,
        "seed_edges_per_second": [round(speed, 1) for speed in speeds],
        "inputs_per_step": inputs // (runs * steps),
        "loss": round(last, 4),
    }


def embed(folder: Path, options: HGNNSettings) -> dict[str, Any]:
    """Vectors of the whole catalogue from an untrained model, onto disk."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    graph, text = _loaded(folder)
    model = HGNN(TEXT_DIM, graph.item_types, graph.relations, options)
    vectors = embed_catalogue(model, graph, text, folder / "z.npy")
    assert vectors.shape == (graph.num_items, options.dim)
    sample = np.asarray(vectors[:: max(1, len(vectors) // 1000)])
    assert np.allclose(np.linalg.norm(sample, axis=1), 1, atol=1e-5)
    return {"vectors": len(vectors)}


def _loaded(folder: Path) -> tuple[CoListeningGraph, np.ndarray]:
    return CoListeningGraph.load(folder / "graph"), np.load(folder / "text.npy", mmap_mode="r")
