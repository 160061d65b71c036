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

from colisten.extras import needs

needs("torch")

from collections.abc import Iterable
from itertools import pairwise
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from colisten.errors import TrainingError
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import RelationName
from colisten.models.aggregation import Aggregation, aggregate
from colisten.sampling.neighbours import Hop, Neighbourhood
from colisten.settings.sections import HGNNSettings
from colisten.words import identifier, known_word

# Text vectors looked at together.
BLOCK = 16384


class HGNN(nn.Module):
    """Item vectors from text vectors and sampled neighbourhoods.

    Args:
        text_dim: Length of a text vector.
        item_types: Item types in catalogue order.
        relations: Each has weights of its own; in the graph's order.
        settings: Sizes and form.
        ids: With `hgnn.id_vectors`, how many items have one, and the digest of their ids.

    Raises:
        TrainingError: `hgnn.id_vectors` is set and `ids` is not given.
    """

    def __init__(
        self,
        text_dim: int,
        item_types: tuple[str, ...],
        relations: Iterable[RelationName],
        settings: HGNNSettings,
        ids: tuple[int, str] | None = None,
    ) -> None:
        super().__init__()
        self.text_dim = text_dim
        self.item_types = item_types
        self.relations = tuple(relations)
        self.settings = settings
        self.ids = ids if settings.id_vectors else None
        if settings.id_vectors and ids is None:
            raise TrainingError(
                "hgnn.id_vectors needs the number of items and the digest of their ids.",
                "Pass ids=(graph.num_items, graph.ids_digest).",
            )
        widths = [text_dim] + [settings.dim] * settings.layers
        self.layers = nn.ModuleList(
            HGNNLayer(
                wide,
                narrow,
                item_types,
                self.relations,
                activate=not settings.residual or number + 1 < settings.layers,
                aggregation=settings.aggregation,
            )
            for number, (wide, narrow) in enumerate(pairwise(widths))
        )
        if settings.residual:
            self.project = nn.Linear(text_dim, settings.dim, bias=False)
            self.alpha = nn.Parameter(torch.tensor(settings.alpha))
        if self.ids is not None:
            # Sparse: a step touches the rows of its own seeds, whatever the catalogue's size.
            self.id_vectors = nn.Embedding(self.ids[0], settings.dim, sparse=True)
            nn.init.zeros_(self.id_vectors.weight)

    @torch.no_grad()
    def start_from(self, text: np.ndarray) -> None:
        """Let P begin as the principal directions of text vectors [num_items, text_dim].

        So the first vectors already say what the text says; the paper's form has no P.
        """
        if not self.settings.residual:
            return
        gram = torch.zeros(self.text_dim, self.text_dim, dtype=torch.float64)
        for start in range(0, len(text), BLOCK):
            part = torch.from_numpy(np.asarray(text[start : start + BLOCK], np.float32))
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
            text: [num_in, text_dim], rows of `neighbourhood.inputs`, in the weights' precision.
            neighbourhood: As many hops as there are layers, of the graph the ids belong to.

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
        wanted = next(self.layers.parameters())
        if (text.dtype, text.device) != (wanted.dtype, wanted.device):
            raise TrainingError(
                f"The weights are {wanted.dtype} on {wanted.device}, the text vectors "
                f"{text.dtype} on {text.device}."
            )
        if self.settings.aggregation == "weighted" and any(
            hop.weights is None for hop in neighbourhood.hops
        ):
            raise TrainingError(
                "A weighted mean needs edge weights.", "Sample with edge_weights=True."
            )
        if lost := set(neighbourhood.hops[0].tables) - set(self.relations):
            raise TrainingError(f"The HGNN knows no relation {sorted(lost)[0]}.")
        hidden = text
        for number, layer in enumerate(self.layers):
            hidden = layer(
                hidden,
                neighbourhood.hops[number],
                neighbourhood.bounds[number],
                neighbourhood.bounds[number + 1],
            )
        own = torch.from_numpy(neighbourhood.seed_positions).to(text.device)
        learned = None
        if self.ids is not None:
            learned = self.id_vectors(torch.from_numpy(neighbourhood.seeds).to(text.device))
            if self.training:
                # An item now and then without its id learns to stand on its text.
                present = (
                    torch.rand(len(learned), 1, device=text.device) >= self.settings.id_dropout
                )
                learned = learned * present
        return self.combine(text.index_select(0, own), hidden, learned)

    def combine(self, text: Tensor, hidden: Tensor, learned: Tensor | None = None) -> Tensor:
        """Unit vectors [n, dim] of text [n, text_dim] and the last layer's output [n, dim].

        `learned` [n, dim] are the items' id vectors, where there are any.
        """
        if self.settings.residual:
            hidden = functional.normalize(self.project(text)) + self.alpha * hidden
        return unit_rows(hidden if learned is None else hidden + learned)

    def ids_of(self, graph: CoListeningGraph) -> Tensor | None:
        """Learned id vectors [num_items, dim], if the graph is of the catalogue they belong to."""
        if self.ids is None or self.ids != (graph.num_items, graph.ids_digest):
            return None
        return self.id_vectors.weight.detach()


class HGNNLayer(nn.Module):
    """One round of messages: eq. 1 and eq. 2.

    Args:
        wide: Length of the input vectors.
        narrow: Length of the output vectors.
        item_types: Item types in catalogue order.
        relations: Each has weights of its own.
        activate: Whether eq. 2 has its sigma.
        aggregation: AGG: "max" (eq. 1), "mean" or "weighted".
    """

    def __init__(
        self,
        wide: int,
        narrow: int,
        item_types: tuple[str, ...],
        relations: tuple[RelationName, ...],
        *,
        activate: bool,
        aggregation: Aggregation = "max",
    ) -> None:
        super().__init__()
        self.item_types = item_types
        self.relations = relations
        self.aggregation = known_word(
            "Aggregation", aggregation, get_args(Aggregation), TrainingError
        )
        self.activate = activate
        self.update = nn.Linear(wide, narrow)
        self.messages = nn.ModuleDict({_key(name): nn.Linear(wide, narrow) for name in relations})

    def forward(
        self, hidden: Tensor, hop: Hop, bounds_in: np.ndarray, bounds_out: np.ndarray
    ) -> Tensor:
        """Vectors [num_out, narrow] of the output nodes from those of the input nodes."""
        device = hidden.device
        out = self.update(hidden.index_select(0, torch.from_numpy(hop.own).to(device)))
        place = {name: at for at, name in enumerate(self.item_types)}
        parts = [out[start:stop] for start, stop in pairwise(bounds_out)]
        for name in self.relations:
            table = hop.tables.get(name)
            if table is None or not table.size:
                continue
            source, node = place[name[0]], place[name[2]]
            messages = self.message(name, hidden[bounds_in[source] : bounds_in[source + 1]])
            weights = None if hop.weights is None else hop.weights[name]
            parts[node] = parts[node] + aggregate(
                messages,
                torch.from_numpy(table).to(device),
                self.aggregation,
                None if weights is None else torch.from_numpy(weights).to(device),
            )
        return self.finish(torch.cat(parts))

    def message(self, relation: RelationName, hidden: Tensor) -> Tensor:
        """Messages of neighbours, before sigma: [n, narrow]."""
        messages: Tensor = self.messages[_key(relation)](hidden)
        return messages

    def finish(self, summed: Tensor) -> Tensor:
        """The sigma of eq. 2, where the layer has it."""
        return functional.relu(summed) if self.activate else summed


def check_inputs(graph: CoListeningGraph, text: np.ndarray) -> None:
    """Raise TrainingError unless `text` is finite float16 or float32 [num_items, d] with d > 0."""
    if text.ndim != 2 or text.shape[0] != graph.num_items or text.shape[1] == 0:
        raise TrainingError(
            f"Text vectors must be [{graph.num_items}, d], one row per item of the graph, "
            f"not {list(text.shape)}."
        )
    if text.dtype not in (np.float16, np.float32):
        raise TrainingError(f"Text vectors must be float16 or float32, not {text.dtype}.")
    for start in range(0, len(text), BLOCK):
        if not np.isfinite(text[start : start + BLOCK]).all():
            raise TrainingError(
                f"A text vector of items {start} to {start + BLOCK} is not finite.",
                "Encode the text anew.",
            )


def unit_rows(vectors: Tensor) -> Tensor:
    """Rows scaled to length 1; a row without direction becomes the constant unit vector."""
    length = vectors.norm(dim=1, keepdim=True)
    lost = length < 1e-6
    flat = vectors.new_full((), vectors.shape[1] ** -0.5)
    return torch.where(lost, flat, vectors / torch.where(lost, 1.0, length))


def _key(relation: RelationName) -> str:
    return "-".join(map(identifier, relation))
