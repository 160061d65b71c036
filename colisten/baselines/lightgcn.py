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
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.ranking.top_k import Scorer
from colisten.sampling.pairs import contains
from colisten.training.checkpoint import deterministic

if TYPE_CHECKING:
    from torch_geometric.nn.models import LightGCN

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
        start = torch.randn(users + items, FACTORS) * INITIAL_SPREAD
        model = lightgcn(start, layers)
        optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
        for triples in _batches(train.matrix, np.random.default_rng(seed)):
            optimizer.zero_grad(set_to_none=True)
            pairs = torch.stack([triples[[0, 0]].flatten(), triples[1:].flatten()])
            touched, untouched = model(adjacency, pairs).chunk(2)
            # The paper's own code halves the penalty.
            loss = model.recommendation_loss(touched, untouched, triples.flatten(), penalty / 2)
            loss.backward()
            optimizer.step()
        vectors = model.get_embedding(adjacency).detach().numpy()
    vectors[np.diff(adjacency.indptr) == 0] = 0.0
    of_users, of_items = vectors[:users], vectors[users:][train.target]
    return lambda rows: of_users[rows] @ of_items.T


def lightgcn(start: Tensor, layers: int) -> LightGCN:
    """PyG's model over `normalised` adjacencies, with E_0 [nodes, factors] to start from."""
    from torch_geometric.nn.models import LightGCN

    model = LightGCN(len(start), start.shape[1], layers)
    model.convs = nn.ModuleList(_Convolution() for _ in range(layers))
    with torch.no_grad():
        model.embedding.weight.copy_(start)
    return model


def normalised(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """D^-1/2 A D^-1/2 over users, then items, float32 [U + I, U + I]; `matrix` is [U, I]."""
    adjacency = sparse.bmat([[None, matrix], [matrix.T, None]], format="csr")
    degrees = np.asarray(adjacency.sum(axis=1)).ravel()
    scale = sparse.diags(1.0 / np.sqrt(np.maximum(degrees, 1.0)))
    return sparse.csr_matrix(scale @ adjacency @ scale, dtype=np.float32)


class _Convolution(nn.Module):
    """LGConv over a scipy matrix that is symmetric, so that its gradient is the product again.

    On two cores it is several times as fast as LGConv over torch's CSR matrix, some twenty times as
    fast as over an edge list, and its result does not depend on the number of threads.
    """

    def forward(self, hidden: Tensor, adjacency: sparse.csr_matrix, _weights: None) -> Tensor:
        return _Product.apply(hidden, adjacency)  # type: ignore[no-any-return, no-untyped-call]


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, adjacency: sparse.csr_matrix) -> Tensor:
        ctx.adjacency = adjacency
        return torch.from_numpy(adjacency @ hidden.detach().numpy())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return torch.from_numpy(ctx.adjacency @ gradients[0].numpy()), None


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


LIGHTGCN = Baseline("LightGCN", fit_lightgcn, {"layers": (2, 3), "l2": (0.01, 0.1)})
