"""LightGCN (He et al., SIGIR 2020): learned vectors of users and items, spread over their graph.

Users and items of all types are nodes, interactions are edges. With A the adjacency and D its
degrees

    E_k+1 = D^-1/2 A D^-1/2 E_k                    eq. 3 and 8
    E     = mean over k = 0 .. K of E_k            eq. 4, alpha_k = 1 / (K + 1)
    score = e_user . e_item                        eq. 5

E_0 alone is learned, by BPR with uniform negatives and an L2 penalty on it (eq. 15). Batches are
far larger than the paper's 2,048, so that a few hundred steps, each with one pass over the whole
graph, do what its thousand epochs do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.ranking.top_k import Scorer
from colisten.sampling.pairs import contains
from colisten.training.checkpoint import deterministic

FACTORS = 64
STEPS = 200
BATCH = 16_384
LEARNING_RATE = 0.01
INITIAL_SPREAD = 0.1
# A negative that was touched is drawn again so often; then it stays, as chance left it.
_REDRAWS = 5


def fit_lightgcn(
    train: InteractionMatrix, parameters: Parameters, threads: int, seed: int
) -> Scorer:
    """Train on all interactions; users and items without one have zero vectors."""
    layers, penalty = parameters["layers"], parameters["l2"]
    users, items = train.matrix.shape
    adjacency = normalised(train.matrix)
    with deterministic(threads, seed):
        start = nn.Parameter(torch.randn(users + items, FACTORS) * INITIAL_SPREAD)
        optimizer = torch.optim.Adam([start], lr=LEARNING_RATE)
        for triples in _batches(train.matrix, np.random.default_rng(seed)):
            optimizer.zero_grad(set_to_none=True)
            spread = Propagation.apply(start, adjacency, layers)  # type: ignore[no-untyped-call]
            loss = _bpr(spread, triples) + penalty * _size(start, triples)
            loss.backward()
            optimizer.step()
    vectors = propagate(adjacency, start.detach().numpy(), layers)
    vectors[np.diff(adjacency.indptr) == 0] = 0.0
    of_users, of_items = vectors[:users], vectors[users:][train.target]
    return lambda rows: of_users[rows] @ of_items.T


def normalised(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """D^-1/2 A D^-1/2 over users, then items, float32 [U + I, U + I]; `matrix` is [U, I]."""
    adjacency = sparse.bmat([[None, matrix], [matrix.T, None]], format="csr")
    degrees = np.asarray(adjacency.sum(axis=1)).ravel()
    scale = sparse.diags(1.0 / np.sqrt(np.maximum(degrees, 1.0)))
    return sparse.csr_matrix(scale @ adjacency @ scale, dtype=np.float32)


def propagate(adjacency: sparse.csr_matrix, start: np.ndarray, layers: int) -> np.ndarray:
    """Mean of E_0 .. E_K, float32 [nodes, factors], from E_0 and the normalised adjacency."""
    total, hidden = start.copy(), start
    for _ in range(layers):
        hidden = adjacency @ hidden
        total += hidden
    total /= layers + 1
    return total


class Propagation(torch.autograd.Function):
    """`propagate` within torch: a symmetric linear map, so its gradient is the map again.

    The product is scipy's: on two cores it is several times as fast as torch's CSR product, and
    its result does not depend on the number of threads.
    """

    @staticmethod
    def forward(ctx: Any, start: Tensor, adjacency: sparse.csr_matrix, layers: int) -> Tensor:
        """Shapes as `propagate`."""
        ctx.adjacency, ctx.layers = adjacency, layers
        return torch.from_numpy(propagate(adjacency, start.detach().numpy(), layers))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of E_0 from that of the mean."""
        (gradient,) = gradients
        back = propagate(ctx.adjacency, gradient.contiguous().numpy(), ctx.layers)
        return torch.from_numpy(back), None, None


def _batches(matrix: sparse.csr_matrix, rng: np.random.Generator) -> Iterator[Tensor]:
    """Nodes (user, touched item, untouched item), int64 [3, b], of `STEPS` steps."""
    users, items = matrix.shape
    pairs = matrix.tocoo()
    keys = pairs.row.astype(np.int64) * items + pairs.col
    keys.sort()
    # As in the paper, items that nobody touched are no part of the graph.
    touched = np.unique(pairs.col).astype(np.int64)
    left = np.zeros(0, dtype=np.int64)
    for _ in range(STEPS if len(keys) else 0):
        while len(left) < min(BATCH, len(keys)):
            left = np.concatenate([left, rng.permutation(keys)])
        batch, left = left[:BATCH], left[BATCH:]
        user, item = np.divmod(batch, items)
        other = rng.choice(touched, len(batch))
        for _ in range(_REDRAWS):
            wrong = np.flatnonzero(contains(keys, user * items + other))
            other[wrong] = rng.choice(touched, len(wrong))
        yield torch.from_numpy(np.stack([user, item + users, other + users]))


def _bpr(spread: Tensor, triples: Tensor) -> Tensor:
    user, item, other = functional.embedding(triples, spread)
    return functional.softplus((user * (other - item)).sum(1)).mean()


def _size(start: Tensor, triples: Tensor) -> Tensor:
    """Half the mean squared length of the batch's E_0, as in the paper's own code."""
    return functional.embedding(triples, start).square().sum() / (2 * triples.shape[1])


LIGHTGCN = Baseline("LightGCN", fit_lightgcn, {"layers": (2, 3), "l2": (0.01, 0.1)})
