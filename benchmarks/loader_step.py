"""The loader and a whole training step against PyG's LinkNeighborLoader and HeteroConv."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks import pyg_rival
from benchmarks.graphs import random_graph
from benchmarks.pairs import compare
from colisten.models.hgnn import HGNN
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from colisten.sections import HGNNSettings
from colisten.training.hgnn.loss import margin_loss

NODES = {"audiobook": 20_000, "podcast": 180_000}
PAIRS = {
    ("audiobook", "audiobook"): 100_000,
    ("audiobook", "podcast"): 603_000,
    ("podcast", "podcast"): 1_810_000,
}
DIM, BATCH, FAN_OUTS = 128, 256, [15, 10]
STEPS = 4
BOOKS, SHOWS = ("audiobook", "audiobook"), ("podcast", "podcast")


def run() -> None:
    """Loading alone, then whole steps; like for like over one relation, then over all three."""
    if not pyg_rival.installed():
        return
    torch.set_num_threads(os.cpu_count() or 1)
    graph = random_graph(NODES, PAIRS)
    text = np.random.default_rng(1).standard_normal((graph.num_items, DIM), dtype=np.float32)
    features = torch.from_numpy(text)
    data = graph.to_hetero_data(text)
    for name in data.edge_types:
        del data[name].edge_attr
    every = SupervisedEdges.of(graph)
    facts = {
        "nodes": graph.num_items,
        "edges": graph.num_edges,
        "dim": DIM,
        "fan_outs": FAN_OUTS,
        "seed_edges_per_batch": BATCH,
        "batches_per_run": STEPS,
    }

    for pair in (BOOKS, SHOWS):
        edge_type = (pair[1], "colistened", pair[0])
        theirs = pyg_rival.endless(pyg_rival.loader(data, edge_type, BATCH, FAN_OUTS))
        ours = MultiLinkNeighborLoader(
            data, FAN_OUTS, [edge_type], batch_size=BATCH, num_negatives=1
        )
        numbers = itertools.count()
        compare(
            f"loader_{pair[0]}",
            lambda ours=ours, numbers=numbers: [
                ours.hetero(0, next(numbers) % len(ours)) for _ in range(STEPS)
            ],
            lambda theirs=theirs: [next(theirs) for _ in range(STEPS)],
            rival_name="PyG LinkNeighborLoader, HeteroData batches with one negative a pair",
            facts=facts,
        )
        alone = SupervisedEdges({pair: every.pairs[pair]}, every.strength, every.num_items)
        for project in (False, True):
            step = Step(graph, features, alone)
            compare(
                f"step_{pair[0]}_{'project' if project else 'plain'}",
                lambda step=step: step.run(STEPS),
                _pyg_steps(data, [edge_type], project=project),
                rival_name=f"PyG LinkNeighborLoader + HeteroConv(SAGEConv(max, {project=}))",
                facts={**facts, "split": step.split},
            )

    step = Step(graph, features, every)
    compare(
        "step_three_relations",
        lambda: step.run(STEPS),
        _pyg_steps(data, [(b, "colistened", a) for a, b in every.pairs], project=False),
        rival_name="three PyG LinkNeighborLoaders, one a relation, + HeteroConv(SAGEConv(max))",
        facts={**facts, "seed_edges_per_batch": 3 * BATCH, "split": step.split},
    )


class Step:
    """Our training step, in the paper's form, and where its time goes.

    Attributes:
        split: Median milliseconds of sampling, gather, forward and backward with update; filled
            by `run`.
    """

    def __init__(self, graph: Any, features: torch.Tensor, edges: SupervisedEdges) -> None:
        settings = HGNNSettings(residual=False, dim=DIM, fanouts=tuple(FAN_OUTS))
        self.loader = MultiLinkNeighborLoader(
            graph, FAN_OUTS, edges, batch_size=BATCH, num_negatives=1
        )
        self.features = features
        self.model = HGNN(DIM, graph.item_types, settings)
        self.adam = pyg_rival.adam(self.model)
        self.split: dict[str, float] = {}
        self._number = 0
        self._times: list[list[float]] = []

    def run(self, steps: int) -> None:
        """Take so many steps."""
        for _ in range(steps):
            times = [time.perf_counter()]
            batch = self.loader.batch(0, self._number % len(self.loader))
            self._number += 1
            times.append(time.perf_counter())
            around = batch.neighbourhood
            inputs = self.features.index_select(0, torch.from_numpy(around.inputs))
            times.append(time.perf_counter())
            vectors = self.model(inputs, around)
            loss = torch.stack(
                [
                    margin_loss(
                        vectors,
                        torch.from_numpy(pairs),
                        torch.from_numpy(batch.negatives[name]),
                        pyg_rival.MARGIN,
                    )
                    for name, pairs in batch.pairs.items()
                ]
            ).mean()
            times.append(time.perf_counter())
            self.adam.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.adam.step()
            times.append(time.perf_counter())
            self._times.append(np.diff(times).tolist())
        names = ("sampling_ms", "gather_ms", "forward_ms", "backward_and_update_ms")
        medians = (statistics.median(part) for part in zip(*self._times, strict=True))
        self.split.update(zip(names, (round(1000 * each, 1) for each in medians), strict=True))


def _pyg_steps(data: Any, edge_types: list[Any], *, project: bool) -> Callable[[], None]:
    loaders = [
        pyg_rival.endless(pyg_rival.loader(data, name, BATCH, FAN_OUTS)) for name in edge_types
    ]
    model = pyg_rival.Model(DIM, list(data.edge_types), project=project)
    adam = pyg_rival.adam(model)

    def steps() -> None:
        for _ in range(STEPS):
            for name, batches in zip(edge_types, loaders, strict=True):
                loss = pyg_rival.loss(model, next(batches), name)
                adam.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                adam.step()

    return steps
