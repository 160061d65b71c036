"""What the HGNN is measured on while it trains: pairs that came to be later, or a random part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colisten.errors import TrainingError
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import CO_LISTENED, relation_label
from colisten.logs import logger
from colisten.models.hgnn import HGNN
from colisten.sampling.epochs import Balance
from colisten.sampling.multilink import MultiLinkBatch, MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from colisten.settings.sections import HGNNSettings
from colisten.training.hgnn.loss import MIN_FREQUENCY, margin_loss, softmax_loss

# Held-out pairs scored per relation: enough for a steady figure, few enough to score often.
MAX_PAIRS = 1024
# Fewer later pairs than this say nothing; then a random part is held out.
MIN_LATER_PAIRS = 32

log = logger("hgnn")


@dataclass(frozen=True)
class HeldOut:
    """A graph's edges, divided.

    Attributes:
        messages: The graph that messages go over while training.
        train: Pairs to learn from.
        aside: Pairs to measure on.
        every: Both.
    """

    messages: CoListeningGraph
    train: SupervisedEdges
    aside: SupervisedEdges
    every: SupervisedEdges

    def balance(self, options: HGNNSettings) -> Balance:
        """With "min", as many pairs of each relation as the smallest pacemaker has, or its all."""
        sizes = {name: len(self.train.pairs[name]) for name in self.train.relations}
        if options.balance == "none" or not sizes:
            return options.balance
        pace = min(sizes[name] for name in _pacemakers(self.train))
        return dict.fromkeys(sizes, pace / min(sizes.values()))


def hold_out(
    graph: CoListeningGraph, options: HGNNSettings, seed: int, validation_from: int | None = None
) -> HeldOut:
    """Divide a graph's pairs as `hgnn.validation` says.

    "time": pairs that came to be after one moment, `validation_from` (microseconds) at the latest,
    are measured on, and neither they nor anything else of that time is seen in training.
    "random": a uniform share of each relation.
    """
    edges = SupervisedEdges.of(graph, options.supervised)
    share = options.validation_share
    if options.validation == "time" and share and edges.num_pairs:
        if edges.times is None:
            log.info("edges have no times, so a random part is held out")
        else:
            among = _pacemakers(edges)
            earlier, later, moment = edges.split_in_time(share, validation_from, among)
            if later.num_pairs >= MIN_LATER_PAIRS and earlier.num_pairs:
                log.info("held out in time", pairs=later.num_pairs, of=edges.num_pairs)
                return HeldOut(graph.before(moment), earlier, later, edges)
            log.info("too few later pairs, so a random part is held out", later=later.num_pairs)
    rest, aside = edges.split(share, seed)
    return HeldOut(graph, rest, aside, edges)


class Objective:
    """The loss of a batch and the figures of a validation, with equal weight per relation.

    Args:
        edges: Pairs that say how often an item is drawn. All of them: an item whose only pair is
            held out is a rare one, not an impossible one.
        options: Loss and its parameters.
        text: [num_items, d].
        device: Where the model is.
    """

    def __init__(
        self, edges: SupervisedEdges, options: HGNNSettings, text: np.ndarray, device: torch.device
    ) -> None:
        self.options = options
        self.text = text
        self.device = device
        self._log_q = {
            name: tuple(self._log_share(part) for part in shares)
            for name, shares in edges.frequencies(weighted=options.weighted_edges).items()
        }

    def vectors(self, model: Any, batch: MultiLinkBatch) -> Tensor:
        """Unit vectors of a batch's seeds, [num_seeds, dim]."""
        around = batch.neighbourhood
        rows = np.asarray(self.text[around.inputs], np.float32)
        out: Tensor = model(torch.from_numpy(rows).to(self.device), around)
        return out

    def losses(self, vectors: Tensor, batch: MultiLinkBatch) -> dict[Any, Tensor]:
        """Each relation's own loss."""
        options = self.options
        seeds = torch.from_numpy(batch.neighbourhood.seeds)
        losses = {}
        for name, numbers in batch.pairs.items():
            pairs = torch.from_numpy(numbers).to(self.device)
            if options.loss == "softmax":
                first, second = (part[seeds].to(self.device) for part in self._log_q[name])
                # Parts of equal size, so that two processes with half of the pairs each, or one
                # with all, let the same pairs compete.
                count = -(-len(pairs) // options.in_batch)
                parts = torch.tensor_split(pairs, count)
                masks = self._masks(batch, name, count)
                losses[name] = torch.stack(
                    [
                        softmax_loss(vectors, part, (first, second), options.temperature, mask)
                        for part, mask in zip(parts, masks, strict=True)
                    ]
                ).mean()
            else:
                negatives = torch.from_numpy(batch.negatives[name]).to(self.device)
                losses[name] = margin_loss(vectors, pairs, negatives, options.margin)
        return losses

    def __call__(self, model: Any, batch: MultiLinkBatch) -> Tensor:
        """Mean over the relations of a batch; zero, with gradients, for one without pairs."""
        vectors = self.vectors(model, batch)
        losses = self.losses(vectors, batch)
        return torch.stack(list(losses.values())).mean() if losses else vectors.sum() * 0

    @torch.no_grad()
    def evaluate(self, model: HGNN, batch: MultiLinkBatch | None) -> dict[str, float]:
        """Loss and MRR on held-out pairs, of all relations and of each.

        MRR: how high a pair's second item ranks among the second items of all pairs of its
        relation, seen from its first; of equal scores the right one counts last.
        """
        if batch is None:
            return {}
        model.eval()
        vectors = self.vectors(model, batch)
        losses = self.losses(vectors, batch)
        ranks = {name: _mrr(vectors, pairs) for name, pairs in batch.pairs.items()}
        figures = {
            "validation_loss": torch.stack(list(losses.values())).mean().item(),
            "mrr": float(np.mean(list(ranks.values()))),
        }
        for name, loss in losses.items():
            label = relation_label(*name).replace("-", "_")
            figures[f"validation_{label}"] = loss.item()
            figures[f"mrr_{label}"] = ranks[name]
        if not np.isfinite(figures["validation_loss"]):
            raise TrainingError("The HGNN's validation loss is not finite.")
        return figures

    def _masks(self, batch: MultiLinkBatch, name: Any, count: int) -> list[Tensor | None]:
        """Of a relation's mask the square of each part of its pairs."""
        if name not in batch.masks:
            return [None] * count
        mask = torch.from_numpy(batch.masks[name]).to(self.device)
        places = torch.tensor_split(torch.arange(len(mask), device=self.device), count)
        return [mask[at][:, at] for at in places]

    def _log_share(self, frequency: np.ndarray) -> Tensor:
        logarithm = self.options.log_q * np.log(np.maximum(frequency, MIN_FREQUENCY))
        return torch.from_numpy(logarithm.astype(np.float32))


def validation_batch(
    loader: MultiLinkNeighborLoader, held_out: SupervisedEdges, seed: int
) -> MultiLinkBatch | None:
    """The same held-out pairs with the same neighbours at every evaluation."""
    if not held_out.relations:
        return None
    rng = np.random.default_rng([seed, 2])
    sample = {}
    for name in held_out.relations:
        count = len(held_out.pairs[name])
        sample[name] = rng.choice(count, min(count, MAX_PAIRS), replace=False)
    pairs = {name: held_out.pairs[name][at] for name, at in sample.items()}
    times = None
    if loader.temporal and held_out.times is not None:
        times = {name: held_out.times[name][at] for name, at in sample.items()}
    return loader.collate(pairs, rng, times)


def _mrr(vectors: Tensor, numbers: np.ndarray) -> float:
    pairs = torch.from_numpy(numbers).to(vectors.device)
    scores = vectors[pairs[:, 0]] @ vectors[pairs[:, 1]].T
    right = scores.diagonal().unsqueeze(1)
    # Another pair with the same answer is no rival, nor is the first item itself.
    same = pairs[:, 1].unsqueeze(0) == pairs[:, 1].unsqueeze(1)
    itself = pairs[:, 1].unsqueeze(0) == pairs[:, 0].unsqueeze(1)
    rivals = (scores >= right) & ~same & ~itself
    return (1.0 / (1 + rivals.sum(1))).mean().item()


def _pacemakers(edges: SupervisedEdges) -> tuple[Any, ...]:
    """Relations of co-listening that have pairs; all where none of these has.

    They say how many pairs an epoch has and what a time split leaves: few links would shorten
    every epoch to their number.
    """
    names = edges.relations
    return tuple(name for name in names if name[1] == CO_LISTENED) or names
