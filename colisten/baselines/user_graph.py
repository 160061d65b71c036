"""HGNN with users as nodes, the ablation of paper tables 2 and 3.

Nodes are items of both types and users, edges are train. The network is our own `HGNN`; only
the graph differs, and what it learns: which target items a user train. A user enters as the
mean of their items' text, so the model is inductive in users as well as in items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.errors import TrainingError
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation
from colisten.models.catalogue import embed_catalogue
from colisten.models.hgnn import HGNN
from colisten.ranking.top_k import Scorer
from colisten.sampling.multilink import MultiLinkBatch, MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from colisten.settings.sections import HGNNSettings
from colisten.training.checkpoint import deterministic
from colisten.training.hgnn.loss import MIN_FREQUENCY, softmax_loss

TARGET, OTHER, LAST, USER = "target", "other", "last", "user"
TOUCHED = "touched"
LINK = (TARGET, TOUCHED, USER)
# The network's form is our own model's; these are chosen on real data, before its last windows.
FANOUTS = (10, 10)
BATCH = 1024
LEARNING_RATE = 3e-3
TEMPERATURE = 0.05


def user_graph(train: InteractionMatrix) -> CoListeningGraph:
    """Items in catalogue order, then users; an edge each way per touch and no others."""
    own, (users, items) = train.target, train.matrix.shape
    # The recommended type lies in one piece; what lies before it and behind it are types here.
    places = {OTHER: slice(0, own.start)} if own.start else {}
    places[TARGET] = own
    if own.stop < items:
        places[LAST if own.start else OTHER] = slice(own.stop, items)
    num_nodes = {name: place.stop - place.start for name, place in places.items()}
    num_nodes[USER] = users
    relations = {
        (other, TOUCHED, node): Relation.empty(num_nodes[node])
        for node in num_nodes
        for other in num_nodes
    }
    for name, place in places.items():
        part = train.matrix[:, place]
        relations[name, TOUCHED, USER] = _relation(part)
        relations[USER, TOUCHED, name] = _relation(part.T.tocsr())
    return CoListeningGraph(num_nodes, relations, ids_digest="")


@dataclass(frozen=True, eq=False)
class NodeText:
    """What nodes enter the network with: items their text, users the mean of their items'.

    Attributes:
        items: [num_items, d].
        sums: float32 [U, d], a user's items' text added up.
        counts: int64 [U], train.
    """

    items: np.ndarray
    sums: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, train: InteractionMatrix, text: np.ndarray) -> NodeText:
        """From text vectors [num_items, d]."""
        text = np.asarray(text, np.float32)
        return cls(text, train.matrix @ text, np.diff(train.matrix.indptr).astype(np.int64))

    def rows(self, nodes: np.ndarray, hidden: np.ndarray | None = None) -> np.ndarray:
        """Input vectors float32 [n, d] of ascending global indices `nodes` [n].

        Args:
            hidden: Interactions a user must not know, int64 [m, 2] of global (item, user):
                without them in its mean a user's input would hold the answer.
        """
        first = len(self.items)
        users = nodes[nodes >= first] - first
        sums, counts = self.sums[users], self.counts[users]
        if hidden is not None and len(hidden):
            at = np.searchsorted(users, hidden[:, 1] - first)
            np.subtract.at(sums, at, self.items[hidden[:, 0]])
            np.subtract.at(counts, at, 1)
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], 0)
        return np.concatenate([self.items[nodes[nodes < first]], means.astype(np.float32)])


def fit_user_hgnn(
    train: InteractionMatrix, parameters: Parameters, threads: int, seed: int
) -> Scorer:
    """Train on interactions of the target; a score is the inner product of user and item.

    Raises:
        TrainingError: The interactions come without text vectors.
    """
    if train.text is None:
        raise TrainingError(
            "The HGNN with users needs text vectors.", "Read interactions with text."
        )
    graph = user_graph(train)
    inputs = NodeText.of(train, train.text)
    options = HGNNSettings(
        layers=len(FANOUTS), fanouts=FANOUTS, aggregation="max", residual=True, id_vectors=False
    )
    with deterministic(threads, seed):
        model = HGNN(inputs.items.shape[1], graph.item_types, graph.relations, options)
        model.start_from(inputs.items)
        _train(model, graph, inputs, parameters, seed)
        model.eval()
        vectors = embed_catalogue(model, graph, inputs.rows(np.arange(graph.num_items)))
    users, targets = vectors[graph.slice_of(USER)], vectors[graph.slice_of(TARGET)]
    return lambda rows: users[rows] @ targets.T


def _train(
    model: HGNN, graph: CoListeningGraph, inputs: NodeText, parameters: Parameters, seed: int
) -> None:
    """Users and target items that touched find each other among those of a batch."""
    edges = _supervised(graph)
    loader = MultiLinkNeighborLoader(
        graph, FANOUTS, edges, batch_size=BATCH, negatives="in_batch", seed=seed
    )
    first, second = edges.frequencies(weighted=False)[LINK]
    log_q = _log_share(first, parameters["log_q"]), _log_share(second, parameters["log_q"])
    # Without graph a vector is the text's principal directions; learning only adds to them.
    model.project.requires_grad_(False)
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=LEARNING_RATE)
    model.train()
    for step in range(parameters["steps"] if len(loader) else 0):
        batch = loader.batch(*divmod(step, len(loader)))
        optimizer.zero_grad(set_to_none=True)
        _loss(model, batch, inputs, log_q).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _log_share(frequency: np.ndarray, share: float) -> Tensor:
    """What is taken off a logit for how often a node is drawn; see `hgnn.log_q`."""
    logarithm = share * np.log(np.maximum(frequency, MIN_FREQUENCY))
    return torch.from_numpy(logarithm.astype(np.float32))


def _loss(
    model: HGNN, batch: MultiLinkBatch, inputs: NodeText, log_q: tuple[Tensor, Tensor]
) -> Tensor:
    """In-batch softmax both ways; a batch's pairs are neither messages nor part of a mean."""
    around, pairs = batch.neighbourhood, batch.pairs[LINK]
    text = inputs.rows(around.inputs, around.seeds[pairs])
    vectors = model(torch.from_numpy(text), around)
    seeds = torch.from_numpy(around.seeds)
    return softmax_loss(
        vectors,
        torch.from_numpy(pairs),
        (log_q[0][seeds], log_q[1][seeds]),
        TEMPERATURE,
        torch.from_numpy(batch.masks[LINK]),
    )


def _supervised(graph: CoListeningGraph) -> SupervisedEdges:
    """The links of target items and users."""
    relation = graph.relations[LINK[::-1]]
    pairs = np.stack(
        [
            relation.rows + graph.slice_of(TARGET).start,
            relation.indices + graph.slice_of(USER).start,
        ],
        axis=1,
    )
    return SupervisedEdges({LINK: pairs}, {LINK: relation.weights}, graph.num_items)


def _relation(part: sparse.csr_matrix) -> Relation:
    return Relation(
        part.indptr.astype(np.int64), part.indices.astype(np.int32), part.data.astype(np.float32)
    )


HGNN_WITH_USERS = Baseline(
    "HGNN with users", fit_user_hgnn, {"log_q": (0.5, 1.0), "steps": (40, 100)}, needs_text=True
)
