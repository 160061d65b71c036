"""The heterogeneous GNN that turns text and co-listening into item vectors (paper eq. 1-3).

Layer k, for an item c and every relation r:

    AGG_r = max over neighbours c' in N(c, r) of sigma(W_r h_c' + b_r)        eq. 1
    h_c   = sigma(W h_c + sum over r of AGG_r)                                eq. 2
    z_c   = h_c / ||h_c||                                                     eq. 3

with h_c = the item's text vector before the first layer and sigma = ReLU. That is
`hgnn.residual = false`. The default form keeps the text in sight and lets the last layer point
anywhere, not only into the positive orthant:

    z_c = norm(norm(P x_c) + alpha h_c),    last layer without the sigma of eq. 2

Both are inductive: an item without a neighbour gets a vector from its text alone.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from colisten.config import HGNNSettings
from colisten.errors import TrainingError
from colisten.graph.graph import CoListeningGraph, RelationName
from colisten.progress import track
from colisten.sampling.adjacency import Adjacency
from colisten.sampling.draws import draw_edges
from colisten.sampling.neighbours import Hop, Neighbourhood

# Rows of a neighbour table handled at once: small enough that the gathered block stays in cache.
BLOCK = 512
# Items whose vectors are computed at once over the whole catalogue.
CATALOGUE_BLOCK = 16384


class HGNN(nn.Module):
    """Item vectors from text vectors and sampled neighbourhoods.

    Args:
        text_dim: Length of a text vector.
        item_types: Item types in catalogue order.
        settings: Sizes and form.
    """

    def __init__(self, text_dim: int, item_types: tuple[str, ...], settings: HGNNSettings) -> None:
        super().__init__()
        self.text_dim = text_dim
        self.item_types = item_types
        self.settings = settings
        widths = [text_dim] + [settings.dim] * settings.layers
        self.layers = nn.ModuleList(
            HGNNLayer(
                wide,
                narrow,
                item_types,
                activate=not settings.residual or number + 1 < settings.layers,
            )
            for number, (wide, narrow) in enumerate(pairwise(widths))
        )
        if settings.residual:
            self.project = nn.Linear(text_dim, settings.dim, bias=False)
            self.alpha = nn.Parameter(torch.tensor(settings.alpha))

    @torch.no_grad()
    def start_from(self, text: np.ndarray) -> None:
        """Let P begin as the principal directions of text vectors [num_items, text_dim].

        So the first vectors already say what the text says; the paper's form has no P.
        """
        if not self.settings.residual:
            return
        gram = torch.zeros(self.text_dim, self.text_dim, dtype=torch.float64)
        for part in torch.split(_tensor(text), CATALOGUE_BLOCK):
            gram += (part.T @ part).double()
        directions = torch.linalg.eigh(gram).eigenvectors.flip(1).T[: self.settings.dim]
        # An eigenvector may point either way; its largest entry decides.
        largest = directions.abs().argmax(1, keepdim=True)
        self.project.weight.zero_()
        self.project.weight[: len(directions)] = (
            directions * directions.gather(1, largest).sign()
        ).float()

    def forward(self, text: Tensor, neighbourhood: Neighbourhood) -> Tensor:
        """Unit vectors of the seeds.

        Args:
            text: float32 [num_in, text_dim], rows of `neighbourhood.inputs`.
            neighbourhood: As many hops as there are layers.

        Returns:
            float32 [num_seeds, dim].

        Raises:
            TrainingError: Shapes do not fit.
        """
        if text.shape != (len(neighbourhood.inputs), self.text_dim):
            raise TrainingError(
                f"The HGNN takes text vectors [{len(neighbourhood.inputs)}, {self.text_dim}], "
                f"not {list(text.shape)}."
            )
        if len(neighbourhood.hops) != len(self.layers):
            raise TrainingError(
                f"{len(self.layers)} layers need as many hops, not {len(neighbourhood.hops)}.",
                "Give hgnn.fanouts one number per layer.",
            )
        hidden = text
        for number, layer in enumerate(self.layers):
            hidden = layer(
                hidden,
                neighbourhood.hops[number],
                neighbourhood.bounds[number],
                neighbourhood.bounds[number + 1],
            )
        return self.combine(text[torch.from_numpy(neighbourhood.seed_positions)], hidden)

    def combine(self, text: Tensor, hidden: Tensor) -> Tensor:
        """Unit vectors [n, dim] of text [n, text_dim] and the last layer's output [n, dim]."""
        if self.settings.residual:
            hidden = functional.normalize(self.project(text)) + self.alpha * hidden
        return unit_rows(hidden)


class HGNNLayer(nn.Module):
    """One round of messages: eq. 1 and eq. 2.

    Args:
        wide: Length of the input vectors.
        narrow: Length of the output vectors.
        item_types: Item types in catalogue order.
        activate: Whether eq. 2 has its sigma.
    """

    def __init__(
        self, wide: int, narrow: int, item_types: tuple[str, ...], *, activate: bool
    ) -> None:
        super().__init__()
        self.item_types = item_types
        self.activate = activate
        self.update = nn.Linear(wide, narrow)
        self.messages = nn.ModuleDict(
            {_key((a, b)): nn.Linear(wide, narrow) for a, b in product(item_types, repeat=2)}
        )

    def forward(
        self, hidden: Tensor, hop: Hop, bounds_in: np.ndarray, bounds_out: np.ndarray
    ) -> Tensor:
        """Vectors [num_out, narrow] of the output nodes from those of the input nodes."""
        out = self.update(hidden[torch.from_numpy(hop.own)])
        parts = []
        for a, source in enumerate(self.item_types):
            part = out[bounds_out[a] : bounds_out[a + 1]]
            for b, target in enumerate(self.item_types):
                table = hop.tables[source, target]
                if not table.size:
                    continue
                told = self.message((source, target), hidden[bounds_in[b] : bounds_in[b + 1]])
                part = part + functional.relu(gather_max(told, torch.from_numpy(table)))
            parts.append(part)
        return self.finish(torch.cat(parts))

    def message(self, relation: RelationName, hidden: Tensor) -> Tensor:
        """What neighbours tell before sigma, and a last row that loses to all: [n + 1, narrow]."""
        told = self.messages[_key(relation)](hidden)
        return torch.cat([told, told.new_full((1, told.shape[1]), -torch.inf)])

    def finish(self, summed: Tensor) -> Tensor:
        """The sigma of eq. 2, where the layer has it."""
        return functional.relu(summed) if self.activate else summed


class GatherMax(torch.autograd.Function):
    """Maximum over gathered rows whose backward touches only the winners.

    `max over k of source[table[:, k]]`. Since sigma is monotone, the max of eq. 1 may be taken
    before it. A dense [rows, k] table makes this a gather and a reduction, block by block; the
    gradient goes to one row per output element instead of through all k.
    """

    @staticmethod
    def forward(ctx: Any, source: Tensor, table: Tensor) -> Tensor:
        """Source [n, d] and table int64 [rows, k], k > 0, give [rows, d]."""
        out = source.new_empty((len(table), source.shape[1]))
        if not source.requires_grad:
            for start in range(0, len(table), BLOCK):
                block = _gather(source, table[start : start + BLOCK])
                torch.amax(block, 1, out=out[start : start + BLOCK])
            return out
        winners = table.new_empty(out.shape)
        for start in range(0, len(table), BLOCK):
            rows = table[start : start + BLOCK]
            out[start : start + BLOCK], slot = _gather(source, rows).max(1)
            torch.gather(rows, 1, slot, out=winners[start : start + BLOCK])
        ctx.save_for_backward(winners)
        ctx.rows = len(source)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Add each output element's gradient to the element that won."""
        (winners,) = ctx.saved_tensors
        width = grad.shape[1]
        flat = winners * width + torch.arange(width, device=grad.device)
        total = grad.new_zeros(ctx.rows * width)
        total.scatter_add_(0, flat.view(-1), grad.reshape(-1))
        return total.view(ctx.rows, width), None


def gather_max(source: Tensor, table: Tensor) -> Tensor:
    """`max over k of source[table[:, k]]`: [n, d] and int64 [rows, k > 0] give [rows, d]."""
    best: Tensor = GatherMax.apply(source, table)  # type: ignore[no-untyped-call]
    return best


@torch.no_grad()
def embed_catalogue(model: HGNN, graph: CoListeningGraph, text: np.ndarray) -> np.ndarray:
    """Vectors of every item from all of its neighbours, nothing sampled: float32 unit rows.

    Works layer by layer over the whole catalogue, in blocks, so the cost is one pass over the
    edges per layer. The graph may be another than the model was trained on (a day later, or
    without a fold of users).

    Args:
        model: A trained HGNN.
        graph: Neighbours.
        text: float32 [num_items, text_dim], in catalogue order.

    Returns:
        [num_items, dim].

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
    bounds = [graph.slice_of(name) for name in graph.item_types]
    hidden = _tensor(text)
    layers = [layer for layer in model.layers if isinstance(layer, HGNNLayer)]
    for number, layer in enumerate(layers):
        out = torch.cat([layer.update(part) for part in torch.split(hidden, CATALOGUE_BLOCK)])
        for source, own in zip(graph.item_types, bounds, strict=True):
            for target, other in zip(graph.item_types, bounds, strict=True):
                told = layer.message((source, target), hidden[other])
                label = f"layer {number + 1}, {source}-{target}"
                _add_all_neighbours(out[own], told, graph, (source, target), label)
        hidden = layer.finish(out)
    parts = zip(
        torch.split(_tensor(text), CATALOGUE_BLOCK),
        torch.split(hidden, CATALOGUE_BLOCK),
        strict=True,
    )
    vectors = torch.cat([model.combine(*part) for part in parts])
    result: np.ndarray = vectors.numpy()
    return result


def check_inputs(graph: CoListeningGraph, text: np.ndarray) -> None:
    """Raise TrainingError unless `text` is a finite float32 [num_items, d] with d > 0."""
    if text.ndim != 2 or text.shape[0] != graph.num_items or text.shape[1] == 0:
        raise TrainingError(
            f"Text vectors must be [{graph.num_items}, d], one row per item of the graph, "
            f"not {list(text.shape)}."
        )
    if text.dtype != np.float32 or not np.isfinite(text).all():
        raise TrainingError("Text vectors must be finite float32 numbers.", "Encode the text anew.")


def unit_rows(vectors: Tensor) -> Tensor:
    """Rows scaled to length 1; a row without direction becomes the constant unit vector."""
    length = vectors.norm(dim=1, keepdim=True)
    lost = length < 1e-6
    flat = vectors.new_full((), vectors.shape[1] ** -0.5)
    return torch.where(lost, flat, vectors / torch.where(lost, 1.0, length))


def _add_all_neighbours(
    out: Tensor, told: Tensor, graph: CoListeningGraph, name: RelationName, label: str
) -> None:
    """Add sigma(max over all neighbours) of one relation to `out` [nodes, dim], in place."""
    relation = Adjacency.of_graph(graph).relations[name]
    degrees = np.diff(relation.indptr)
    # Rows of like degree share a block, so little of its table is padding.
    order = np.argsort(degrees, kind="stable")
    order = order[np.searchsorted(degrees[order], 1) :]
    for start in track(range(0, len(order), CATALOGUE_BLOCK), label):
        rows = order[start : start + CATALOGUE_BLOCK]
        widest = int(degrees[rows].max())
        edges = draw_edges(relation, rows, widest, 0)
        table = np.where(edges >= 0, relation.indices[edges], len(told) - 1)
        best = gather_max(told, torch.from_numpy(table.astype(np.int64)))
        out[torch.from_numpy(rows)] += functional.relu(best)


def _gather(source: Tensor, table: Tensor) -> Tensor:
    rows, places = table.shape
    return source.index_select(0, table.reshape(-1)).view(rows, places, source.shape[1])


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.require(array, np.float32, ["C", "W"]))


def _key(relation: RelationName) -> str:
    return "-".join(relation)
