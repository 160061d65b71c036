"""The loader and a whole training step against PyG's LinkNeighborLoader and HeteroConv."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks import pyg_rival
from benchmarks.graphs import random_graph
from benchmarks.pairs import compare
from colisten.graph.relation import CO_LISTENED
from colisten.models.hgnn import HGNN
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from colisten.settings.sections import HGNNSettings
from colisten.training.hgnn.loss import margin_loss

NODES = {"audiobook": 20_000, "podcast": 180_000}
PAIRS = {
    ("audiobook", "audiobook"): 100_000,
    ("audiobook", "podcast"): 603_000,
    ("podcast", "podcast"): 1_810_000,
}
DIM, BATCH, FAN_OUTS = 128, 256, [15, 10]
STEPS = 4
BOOKS, SHOWS = ((name, CO_LISTENED, name) for name in ("audiobook", "podcast"))


def run() -> None:
    """Loading alone, then whole steps; like for like over one relation, then over all three."""
    if not pyg_rival.installed():
        return
    torch.set_num_threads(os.cpu_count() or 1)
    graph = random_graph(NODES, PAIRS)
    text = np.random.default_rng(1).standard_normal((graph.num_items, DIM), dtype=np.float32)
    features = torch.from_numpy(text)
    data, weighted = graph.to_hetero_data(text), graph.to_hetero_data(text)
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
        theirs = pyg_rival.endless(pyg_rival.loader(data, pair, BATCH, FAN_OUTS))
        loader = MultiLinkNeighborLoader(data, FAN_OUTS, [pair], batch_size=BATCH, num_negatives=1)
        ours = (loader.hetero(0, number % len(loader)) for number in itertools.count())
        compare(
            f"loader_{pair[0]}",
            partial(_take, ours, STEPS),
            partial(_take, theirs, STEPS),
            rival_name="PyG LinkNeighborLoader, HeteroData batches with one negative a pair",
            facts=facts,
        )
        alone = SupervisedEdges({pair: every.pairs[pair]}, every.strength, every.num_items)
        for project in (False, True):
            step = Step(graph, features, alone, "max")
            compare(
                f"step_{pair[0]}_{'project' if project else 'plain'}",
                partial(step.run, STEPS),
                _pyg_steps(data, [pair], pyg_rival.maximum(DIM, project=project)),
                rival_name=f"PyG LinkNeighborLoader + HeteroConv(SAGEConv(max, {project=}))",
                facts={**facts, "split": step.split},
            )

    edge_types = [name[::-1] for name in every.pairs]
    for name, aggregation, given, convolution, rival in (
        ("step_three_relations", "max", data, pyg_rival.maximum(DIM), "SAGEConv(max)"),
        # What we train by default: a mean by edge strength.
        ("step_weighted", "weighted", weighted, pyg_rival.by_weight(DIM), "GraphConv(mean)"),
    ):
        step = Step(graph, features, every, aggregation)
        compare(
            name,
            partial(step.run, STEPS),
            _pyg_steps(given, edge_types, convolution),
            rival_name=f"three PyG LinkNeighborLoaders, one a relation, + HeteroConv({rival})",
            facts={**facts, "seed_edges_per_batch": 3 * BATCH, "split": step.split},
        )


class Step:
    """Our training step, in the paper's form but for the aggregation, and where its time goes.

    Attributes:
        split: Median milliseconds of sampling, gather, forward and backward with update; filled
            by `run`.
    """

    def __init__(
        self, graph: Any, features: torch.Tensor, edges: SupervisedEdges, aggregation: str
    ) -> None:
        settings = HGNNSettings.model_validate(
            {"residual": False, "dim": DIM, "fanouts": FAN_OUTS, "aggregation": aggregation}
        )
        self.loader = MultiLinkNeighborLoader(
            graph,
            FAN_OUTS,
            edges,
            batch_size=BATCH,
            num_negatives=1,
            edge_weights=aggregation == "weighted",
        )
        self.features = features
        self.model = HGNN(DIM, graph.item_types, graph.relations, settings)
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


def _take(batches: Iterator[Any], steps: int) -> None:
    for _ in range(steps):
        next(batches)


def _pyg_steps(
    data: Any, edge_types: list[Any], convolution: Callable[[], torch.nn.Module]
) -> Callable[[], None]:
    loaders = [
        pyg_rival.endless(pyg_rival.loader(data, name, BATCH, FAN_OUTS)) for name in edge_types
    ]
    model = pyg_rival.Model(list(data.edge_types), convolution)
    adam = pyg_rival.adam(model)

    def steps() -> None:
        for _ in range(STEPS):
            for name, batches in zip(edge_types, loaders, strict=True):
                loss = pyg_rival.loss(model, next(batches), name)
                adam.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                adam.step()

    return steps
