"""SASRec (Kang and McAuley, ICDM 2018): a causal transformer over what a user did, in time.

A user's last `LENGTH` items of all types go in, oldest first; out of each place comes a vector
whose inner products with the items of the recommended type say which of them is next. Learned item
vectors, learned positions, one head, dropout, as in the paper. What differs:

- Only items of the recommended type are predicted. The label of a place is the next such item
  after it, so that history of other types learns to lead there and a cold user has an answer.
- Cross-entropy instead of one negative a place, which is what makes SASRec as good as its
  successors (Klenitskiy and Vasilev, RecSys 2023): over all items, or where there are more than
  `SAMPLED` over so many, drawn by how often they are labels and corrected for that (Bengio and
  Senecal 2008).
- Where items have text, an item enters as its own vector plus a learned projection of its text.

Users have one place each in an epoch; the number of epochs is chosen on the window by stopping
when two more make nothing better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.ranking.ragged import Ragged
from colisten.ranking.top_k import Scorer
from colisten.training.checkpoint import deterministic

DIM = 64
LENGTH = 50
# Users of a step; fewer where there are few, so that an epoch has `STEPS` steps or near them.
BATCH, SMALLEST, STEPS = 128, 8, 20
SAMPLED = 1024
LEARNING_RATE = 1e-3
DROPOUT = 0.2
MOST_EPOCHS = 24
# Between two looks at the window, and where there is no window to look at.
STAGE, USUAL_EPOCHS = 2, 10
_NO_LABEL = -1


@dataclass(frozen=True, eq=False)
class Sequences:
    """Each user's last items, oldest first.

    Attributes:
        items: int64 [U, LENGTH], right-aligned; `num_items` where there is none.
        labels: int64 [U, LENGTH], the next target item after a place, within the target; -1 where
            none follows.
        lengths: int64 [U].
    """

    items: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, train: InteractionMatrix) -> Sequences:
        """Of the users of a matrix, by the newest event of each pair; at one moment by item."""
        users, num_items = train.matrix.shape
        rows = np.repeat(np.arange(users), np.diff(train.matrix.indptr))
        order = np.lexsort((train.matrix.indices, train.times, rows))
        ragged = Ragged(train.matrix.indptr.astype(np.int64), train.matrix.indices[order])
        items = np.full((users, LENGTH), num_items, np.int64)
        labels = np.full((users, LENGTH), _NO_LABEL, np.int64)
        for place in range(1, LENGTH + 1):
            has = np.flatnonzero(ragged.counts >= place)
            items[has, -place] = ragged.values[ragged.offsets[has + 1] - place]
        own = (items >= train.target.start) & (items < train.target.stop)
        for place in range(LENGTH - 2, -1, -1):
            follows = items[:, place + 1] - train.target.start
            labels[:, place] = np.where(own[:, place + 1], follows, labels[:, place + 1])
        labels[items == num_items] = _NO_LABEL
        return cls(items, labels, np.minimum(ragged.counts, LENGTH))


class SASRec(nn.Module):
    """The network.

    Args:
        num_items: Of all types.
        target: Where the recommended type lies among them.
        blocks: Layers of attention.
        text: Text vectors [num_items, d], where items enter with them.
    """

    def __init__(
        self, num_items: int, target: slice, blocks: int, text: np.ndarray | None = None
    ) -> None:
        super().__init__()
        self.own = nn.Embedding(num_items + 1, DIM, padding_idx=num_items)
        self.places = nn.Embedding(LENGTH, DIM)
        for weights in (self.own.weight, self.places.weight):
            nn.init.normal_(weights, std=0.02)
        with torch.no_grad():
            self.own.weight[num_items] = 0.0
        self.text: Tensor | None = None
        if text is not None:
            padded = np.concatenate([np.asarray(text, np.float32), np.zeros_like(text[:1])])
            self.text = torch.from_numpy(padded.astype(np.float32))
            self.project = nn.Linear(text.shape[1], DIM, bias=False)
        layer = nn.TransformerEncoderLayer(
            DIM, 1, DIM, DROPOUT, activation="relu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, blocks, norm=nn.LayerNorm(DIM), enable_nested_tensor=False
        )
        self.dropout = nn.Dropout(DROPOUT)
        self.first = target.start

    def items(self, at: Tensor) -> Tensor:
        """Vectors of items by place in the catalogue, float32 [..., DIM]."""
        vectors: Tensor = self.own(at)
        return vectors if self.text is None else vectors + self.project(self.text[at])

    def targets(self, at: Tensor) -> Tensor:
        """Vectors of items by place within the target, float32 [..., DIM]."""
        return self.items(at + self.first)

    def forward(self, items: Tensor) -> Tensor:
        """What is expected after each place, float32 [b, n, DIM]; items are int64 [b, n]."""
        empty = items.eq(self.own.num_embeddings - 1)
        length = items.shape[1]
        hidden = self.items(items) * DIM**0.5 + self.places.weight[LENGTH - length :]
        hidden = self.dropout(hidden).masked_fill(empty[..., None], 0.0)
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        # A place before a user's first item attends to itself, so that no row is without any.
        closed = later | (empty[:, None, :] & ~torch.eye(length, dtype=torch.bool))
        out: Tensor = self.encoder(hidden, mask=closed)
        return out


def fit_sasrec(train: InteractionMatrix, parameters: Parameters, threads: int, seed: int) -> Scorer:
    """The last of the stages that `parameters` ask for: `blocks` and `epochs`."""
    wanted = parameters.get("epochs", USUAL_EPOCHS)
    for reached, scorer in sasrec_stages(train, parameters, threads, seed):
        if reached["epochs"] >= wanted:
            return scorer
    return lambda rows: np.zeros((len(rows), train.num_target), np.float32)


def sasrec_stages(
    train: InteractionMatrix, parameters: Parameters, threads: int, seed: int
) -> Iterator[tuple[Parameters, Scorer]]:
    """Train, and give the model after every `STAGE` epochs with the parameters that repeat it.

    A scorer speaks for the stage it was given at; nothing comes where there is nothing to learn.
    """
    sequences = Sequences.of(train)
    learning = np.flatnonzero((sequences.labels != _NO_LABEL).any(axis=1))
    if not len(learning):
        return
    with deterministic(threads, seed):
        model = SASRec(train.matrix.shape[1], train.target, parameters["blocks"], train.text)
        state = torch.random.get_rng_state()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    rng = np.random.default_rng(seed)
    # One more each, so that what was never chosen is told to be rare as well.
    frequency = 1.0 + np.bincount(
        sequences.labels[sequences.labels != _NO_LABEL], minlength=train.num_target
    )
    share = frequency / frequency.sum()
    for epochs in range(STAGE, MOST_EPOCHS + 1, STAGE):
        # Whoever asks may do other things between two stages, so chance is put back as it was.
        with deterministic(threads, seed):
            torch.random.set_rng_state(state)
            for _ in range(STAGE):
                _epoch(model, optimizer, sequences, learning, share, rng)
            state = torch.random.get_rng_state()
            scorer = _answers(model, sequences, train.num_target)
        yield {**parameters, "epochs": epochs}, scorer


def _answers(model: SASRec, sequences: Sequences, num_target: int) -> Scorer:
    """Inner products of what is expected after each user's last item with the target items."""
    users = np.zeros((len(sequences.items), DIM), np.float32)
    model.eval()
    with torch.no_grad():
        targets = model.targets(torch.arange(num_target)).numpy()
        for at in np.array_split(
            np.argsort(sequences.lengths, kind="stable"), -(-len(users) // BATCH)
        ):
            longest = max(1, int(sequences.lengths[at].max()))
            expected = model(torch.from_numpy(sequences.items[at, -longest:]))
            users[at] = expected[:, -1].numpy()
    return lambda rows: users[rows] @ targets.T


def _epoch(
    model: SASRec,
    optimizer: torch.optim.Optimizer,
    sequences: Sequences,
    learning: np.ndarray,
    share: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Every user with something to learn once, those of like length together."""
    model.train()
    shuffled = rng.permutation(learning)
    by_length = shuffled[np.argsort(sequences.lengths[shuffled], kind="stable")]
    size = min(BATCH, max(SMALLEST, len(by_length) // STEPS))
    batches = np.array_split(by_length, -(-len(by_length) // size))
    for at in rng.permutation(len(batches)):
        users = batches[at]
        longest = int(sequences.lengths[users].max())
        items = torch.from_numpy(sequences.items[users, -longest:])
        labels = torch.from_numpy(sequences.labels[users, -longest:])
        optimizer.zero_grad(set_to_none=True)
        has = labels != _NO_LABEL
        loss = _loss(model, model(items)[has], labels[has], share, rng)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _loss(
    model: SASRec, wanted: Tensor, labels: Tensor, share: np.ndarray, rng: np.random.Generator
) -> Tensor:
    """Cross-entropy of vectors [p, DIM] against their labels [p] over all or sampled items."""
    if len(share) <= SAMPLED:
        return functional.cross_entropy(wanted @ model.targets(torch.arange(len(share))).T, labels)
    others = torch.from_numpy(rng.choice(len(share), SAMPLED, p=share))
    log_share = torch.from_numpy(np.log(np.maximum(share, 1e-12)).astype(np.float32))
    right = (wanted * model.targets(labels)).sum(1) - log_share[labels]
    wrong = wanted @ model.targets(others).T - log_share[others]
    wrong = wrong.masked_fill(others == labels[:, None], -torch.inf)
    logits = torch.cat([right[:, None], wrong], dim=1)
    return functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64))


SASREC = Baseline("SASRec", fit_sasrec, {"blocks": (1, 2)}, stages=sasrec_stages)
