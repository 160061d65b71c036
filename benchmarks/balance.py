"""Balanced against unbalanced multi-link sampling: time of an epoch, quality on audiobook pairs."""

from __future__ import annotations

import itertools
import statistics
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from benchmarks.graphs import random_graph
from benchmarks.pairs import compare, machine, write_result
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import relation_label
from colisten.models.hgnn import HGNN
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from colisten.settings.sections import HGNNSettings
from colisten.training.hgnn import train_hgnn
from colisten.training.hgnn.validation import Objective

NODES = {"audiobook": 4_000, "podcast": 16_000}
# Audiobook pairs are scarce beside the others, as in the paper's figure of its graph.
PAIRS = {
    ("audiobook", "audiobook"): 10_000,
    ("audiobook", "podcast"): 60_000,
    ("podcast", "podcast"): 300_000,
}
COMMUNITIES = 40
STEPS, SEEDS = 150, 5
OPTIONS = HGNNSettings(dim=64, fanouts=(10, 5), batch_size=256, in_batch=256)
TARGET = "mrr_audiobook_audiobook"
Balance = Literal["min", "none"]


def run() -> None:
    """Epoch times in turn, then five seeds of equally many steps each."""
    graph = random_graph(NODES, PAIRS, communities=COMMUNITIES)
    text = _text(graph.num_items)
    edges = SupervisedEdges.of(graph)
    torch.set_num_threads(2)
    epochs = {name: Epoch(graph, text, edges, name) for name in ("min", "none")}
    compare(
        "balance_epoch",
        epochs["min"].run,
        epochs["none"].run,
        rival_name="an unbalanced epoch",
        facts={
            "pairs": {relation_label(*name): len(pairs) for name, pairs in edges.pairs.items()},
            "steps_of_an_epoch": {name: len(epoch.loader) for name, epoch in epochs.items()},
        },
    )
    reached: dict[str, list[float]] = {"min": [], "none": []}
    for seed in range(SEEDS):
        world = random_graph(NODES, PAIRS, seed=seed, communities=COMMUNITIES)
        for balance, figures in reached.items():
            options = OPTIONS.model_copy(
                update={"balance": balance, "max_steps": STEPS, "evaluate_every": STEPS}
            )
            with tempfile.TemporaryDirectory() as out:
                result = train_hgnn(world, text, options, seed=seed, out=Path(out) / "hgnn")
            figures.append(result.curve[-1][TARGET])
    gains = [a - b for a, b in zip(reached["min"], reached["none"], strict=True)]
    middle = statistics.mean(gains)
    # Student's t with 4 degrees of freedom.
    half = 2.776 * statistics.stdev(gains) / SEEDS**0.5
    write_result(
        "balance_quality",
        {
            **machine(),
            "figure": f"{TARGET} on held-out pairs after {STEPS} steps",
            "seeds": SEEDS,
            "balanced": [round(value, 4) for value in reached["min"]],
            "unbalanced": [round(value, 4) for value in reached["none"]],
            "difference": round(middle, 4),
            "interval_95": [round(middle - half, 4), round(middle + half, 4)],
        },
    )
    print(f"balance_quality: {middle:+.4f} ({middle - half:+.4f} to {middle + half:+.4f})")


class Epoch:
    """One pass of training over what a balance takes from each relation."""

    def __init__(
        self, graph: CoListeningGraph, text: np.ndarray, edges: SupervisedEdges, balance: Balance
    ) -> None:
        self.loader = MultiLinkNeighborLoader(
            graph,
            OPTIONS.fanouts,
            edges,
            batch_size=OPTIONS.batch_size,
            balance=balance,
            weighted=True,
            edge_weights=OPTIONS.aggregation == "weighted",
        )
        self.model = HGNN(text.shape[1], graph.item_types, graph.relations, OPTIONS)
        self.objective = Objective(edges, OPTIONS, text, torch.device("cpu"))
        self.adam = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self._numbers = itertools.count()

    def run(self) -> None:
        """Take every step of one epoch."""
        for batch in self.loader.dense(next(self._numbers)):
            self.adam.zero_grad(set_to_none=True)
            self.objective(self.model, batch).backward()  # type: ignore[no-untyped-call]
            self.adam.step()


def _text(count: int) -> np.ndarray:
    """A direction per community and as much noise."""
    rng = np.random.default_rng(7)
    directions = rng.standard_normal((COMMUNITIES, 64))
    text = directions[np.arange(count) % COMMUNITIES] + 2 * rng.standard_normal((count, 64))
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    vectors: np.ndarray = text.astype(np.float32)
    return vectors
