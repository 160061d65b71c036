"""The losses of the towers (paper section 3.4, eq. 5, and the default that replaces it).

All see one batch of B (user, item) pairs that happened. The distinct items of the batch are its
candidates: every one that is not a pair's own is a negative of that pair, once, however many
pairs share it. A popular item is in more batches, so it is a negative more often than an
unpopular one; each loss takes that back in its own way, by `log_inclusion`.

Another loss is a function from `LossBatch` to a scalar, named in `towers.loss` (`colisten.parts`).
"""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from colisten.errors import TrainingError
from colisten.parts import load_part

_ONE, _NONE = torch.tensor(1.0), torch.tensor(0.0)


@dataclass(frozen=True, eq=False)
class LossBatch:
    """B pairs and the C distinct items among them.

    Attributes:
        users: Unit user vectors [B, dim].
        items: Unit vectors of the batch's distinct items [C, dim].
        own: Which of them each user chose [B], int64.
        log_p: `log_inclusion` of each of them [C].
        temperature: Positive scalar, learned.
        prior: Added to the logits [B, C], the popularity prior's part; a scalar zero for none.

    Raises:
        TrainingError: Shapes disagree.
    """

    users: Tensor
    items: Tensor
    own: Tensor
    log_p: Tensor
    temperature: Tensor = _ONE
    prior: Tensor = _NONE

    def __post_init__(self) -> None:
        fits = (
            self.users.ndim == 2
            and self.items.ndim == 2
            and len(self.users) > 0
            and self.users.shape[1] == self.items.shape[1]
            and self.own.shape == self.users.shape[:1]
            and self.log_p.shape == self.items.shape[:1]
        )
        if not fits:
            shapes = [list(each.shape) for each in (self.users, self.items, self.own, self.log_p)]
            raise TrainingError(
                "A loss takes users [B, dim], items [C, dim], own [B] and log_p [C] with B > 0, "
                f"not {shapes[0]}, {shapes[1]}, {shapes[2]} and {shapes[3]}."
            )

    @property
    def scores(self) -> Tensor:
        """Inner products [B, C]."""
        return self.users @ self.items.T


def log_inclusion(share: Tensor, rows: int) -> Tensor:
    """Log-probability that an item is among `rows` pairs drawn at random: log(1 - (1 - q)^B).

    Args:
        share: Share q of the training pairs that are about each item, in (0, 1].
        rows: Pairs B in the batch.
    """
    return torch.log(-torch.expm1(rows * torch.log1p(-share)))


def sampled_softmax(batch: LossBatch) -> Tensor:
    """In-batch sampled softmax with logQ correction (Yi et al., RecSys 2019).

    User i's logit for candidate j is `u_i . v_j / temperature - log p_j`. Subtracting the
    log-probability of being a candidate makes the softmax over the batch an estimate of the
    softmax over the whole catalogue: without it, popular items are pushed down for being
    negatives often.

    Returns:
        Mean cross-entropy, a scalar; zero where there is one candidate.
    """
    logits = batch.scores / batch.temperature - batch.log_p
    return functional.cross_entropy(logits + batch.prior, batch.own)


def paper(batch: LossBatch) -> Tensor:
    """The paper's eq. 5: mean of `o_u . o_n - o_u . o_a`, weighted by inverse item probability.

    A negative n weighs 1 / p_n, normalised over the negatives of its pair, so that the popular
    ones do not dominate. As published the loss is linear in the inner products and has no lower
    bound; on unit vectors, which is all this package passes, it lies in [-2, 2]. It does not
    saturate: a pair ranked right is pushed as hard as one ranked wrong.

    Returns:
        Mean over the pairs, a scalar; zero where there is one candidate.
    """
    if len(batch.items) == 1:
        return (batch.users * 0.0).sum()
    scores, own = batch.scores, batch.own.unsqueeze(1)
    differences = scores - scores.gather(1, own)
    # Relative to the rarest candidate, so that no 1 / p overflows.
    inverse = torch.exp(batch.log_p.min() - batch.log_p).expand_as(scores)
    inverse = inverse.scatter(1, own, 0.0)
    return ((inverse * differences).sum(dim=1) / inverse.sum(dim=1)).mean()


LOSSES: dict[str, Callable[[LossBatch], Tensor]] = {
    "sampled_softmax": sampled_softmax,
    "paper": paper,
}


def loss_of(name: str) -> Callable[[LossBatch], Tensor]:
    """The loss of that name, or one of somebody's own; raises ConfigError where there is none."""
    if name in LOSSES:
        return LOSSES[name]
    own: Callable[[LossBatch], Tensor] = load_part("towers.loss", name)
    return own
