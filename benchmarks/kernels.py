"""Compiled kernels against the plain numpy and torch forms they stand in for."""

from __future__ import annotations

import os
from functools import partial
from types import ModuleType

import numpy as np
import torch

from benchmarks.graphs import random_graph
from benchmarks.loader_step import FAN_OUTS, NODES, PAIRS
from benchmarks.pairs import compare
from colisten.models import aggregation
from colisten.models.aggregation import aggregate
from colisten.sampling import draws
from colisten.sampling.neighbours import NeighborSampler

SEEDS = 768
# An inner level of a batch of `loader_step`.
SOURCES, ROWS, PLACES, DIM = 95_000, 16_000, 10, 128


def run() -> None:
    """Uniform and weighted neighbourhoods; forward and backward of the maximum."""
    torch.set_num_threads(os.cpu_count() or 1)
    graph = random_graph(NODES, PAIRS)
    seeds = np.sort(np.random.default_rng(0).choice(graph.num_items, SEEDS, replace=False))
    for weighted in (False, True):
        fast, slow = (
            NeighborSampler(graph, FAN_OUTS, weighted=weighted, engine=engine)
            for engine in (draws.compiled, None)
        )
        compare(
            f"kernel_sampling_{'weighted' if weighted else 'uniform'}",
            partial(fast.sample, seeds, 0),
            partial(slow.sample, seeds, 0),
            rival_name="the same draws in numpy",
            facts={"seeds": SEEDS, "fan_outs": FAN_OUTS, "edges": graph.num_edges},
        )
    messages = torch.randn(SOURCES, DIM).requires_grad_()
    table = torch.randint(0, SOURCES + 1, (ROWS, PLACES))
    slope = torch.randn(ROWS, DIM)

    def there_and_back(engine: ModuleType | None) -> None:
        torch.autograd.grad(aggregate(messages, table, engine=engine), messages, slope)

    compare(
        "kernel_aggregation_max",
        lambda: there_and_back(aggregation.compiled),
        lambda: there_and_back(None),
        rival_name="plain torch, forward and backward",
        facts={"sources": SOURCES, "rows": ROWS, "neighbours": PLACES, "dim": DIM},
    )
