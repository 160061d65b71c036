"""The two losses of the towers (paper section 3.4, eq. 5, and the default that replaces it).

Both see one batch of B (user, item) pairs that happened. The distinct items of the batch are its
candidates: every one that is not a pair's own is a negative of that pair, once, however many
pairs share it. A popular item is in more batches, so it is a negative more often than an
unpopular one; each loss takes that back in its own way, by `log_inclusion`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from colisten.errors import TrainingError


def log_inclusion(share: Tensor, rows: int) -> Tensor:
    """Log-probability that an item is among `rows` pairs drawn at random: log(1 - (1 - q)^B).

    Args:
        share: Share q of the training pairs that are about each item, in (0, 1].
        rows: Pairs B in the batch.
    """
    return torch.log(-torch.expm1(rows * torch.log1p(-share)))


def sampled_softmax_loss(
    users: Tensor,
    items: Tensor,
    own: Tensor,
    log_p: Tensor,
    temperature: Tensor,
    prior: Tensor | None = None,
) -> Tensor:
    """In-batch sampled softmax with logQ correction (Yi et al., RecSys 2019).

    User i's logit for candidate j is `u_i . v_j / temperature - log p_j`. Subtracting the
    log-probability of being a candidate makes the softmax over the batch an estimate of the
    softmax over the whole catalogue: without it, popular items are pushed down for being
    negatives often.

    Args:
        users: Unit user vectors [B, dim].
        items: Unit vectors of the batch's distinct items [C, dim].
        own: Which of them each user chose [B], int64.
        log_p: `log_inclusion` of each of them [C].
        temperature: Positive scalar.
        prior: Added to the logits [B, C], the popularity prior's part; None for none.

    Returns:
        Mean cross-entropy, a scalar; zero where there is one candidate.

    Raises:
        TrainingError: Shapes disagree.
    """
    _check(users, items, own, log_p)
    logits = users @ items.T / temperature - log_p
    return functional.cross_entropy(logits if prior is None else logits + prior, own)


def paper_loss(users: Tensor, items: Tensor, own: Tensor, log_p: Tensor) -> Tensor:
    """The paper's eq. 5: mean of `o_u . o_n - o_u . o_a`, weighted by inverse item probability.

    A negative n weighs 1 / p_n, normalised over the negatives of its pair, so that the popular
    ones do not dominate. As published the loss is linear in the inner products and has no lower
    bound; on unit vectors, which is all this package passes, it lies in [-2, 2]. It does not
    saturate: a pair ranked right is pushed as hard as one ranked wrong.

    Args:
        users: Unit user vectors [B, dim].
        items: Unit vectors of the batch's distinct items [C, dim].
        own: Which of them each user chose [B], int64.
        log_p: `log_inclusion` of each of them [C].

    Returns:
        Mean over the pairs, a scalar; zero where there is one candidate.

    Raises:
        TrainingError: Shapes disagree.
    """
    _check(users, items, own, log_p)
    if len(items) == 1:
        return (users * 0.0).sum()
    scores = users @ items.T
    differences = scores - scores.gather(1, own.unsqueeze(1))
    # Relative to the rarest candidate, so that no 1 / p overflows.
    inverse = torch.exp(log_p.min() - log_p).expand_as(scores)
    inverse = inverse.scatter(1, own.unsqueeze(1), 0.0)
    return ((inverse * differences).sum(dim=1) / inverse.sum(dim=1)).mean()


def _check(users: Tensor, items: Tensor, own: Tensor, log_p: Tensor) -> None:
    fits = (
        users.ndim == 2
        and items.ndim == 2
        and len(users) > 0
        and users.shape[1] == items.shape[1]
        and own.shape == users.shape[:1]
        and log_p.shape == items.shape[:1]
    )
    if not fits:
        raise TrainingError(
            "A loss takes users [B, dim], items [C, dim], own [B] and log_p [C] with B > 0, "
            f"not {list(users.shape)}, {list(items.shape)}, {list(own.shape)} and "
            f"{list(log_p.shape)}."
        )
