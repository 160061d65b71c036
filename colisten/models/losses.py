"""The two losses of the towers (paper section 3.4, eq. 5, and the default that replaces it).

Both see one batch of B (user, item) pairs that happened. The item of every other pair in the
batch is a negative, unless it is the same item. A popular item is in more batches, so it is a
negative more often than an unpopular one; each loss takes that back in its own way.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from colisten.errors import TrainingError


def sampled_softmax_loss(
    users: Tensor, items: Tensor, item_index: Tensor, log_q: Tensor, temperature: Tensor
) -> Tensor:
    """In-batch sampled softmax with logQ correction (Yi et al., RecSys 2019).

    Pair i's logit for the item of pair j is `u_i . v_j / temperature - log q_j`, where q_j is the
    probability of drawing that item into a batch. Subtracting it makes the in-batch softmax an
    estimate of the softmax over the whole catalogue: without it, popular items are pushed down
    for being negatives often.

    Args:
        users: Unit user vectors [B, dim].
        items: Unit item vectors [B, dim], row i the item that user i chose.
        item_index: Which item each row of `items` is [B], int64.
        log_q: Log-probability of each row's item among training rows [B].
        temperature: Positive scalar.

    Returns:
        Mean cross-entropy, a scalar; zero for a batch of one.

    Raises:
        TrainingError: Shapes disagree.
    """
    _check(users, items, item_index, log_q)
    logits = users @ items.T / temperature - log_q
    logits = logits.masked_fill(_same_item_elsewhere(item_index), -torch.inf)
    return functional.cross_entropy(logits, torch.arange(len(users), device=users.device))


def paper_loss(users: Tensor, items: Tensor, item_index: Tensor, log_q: Tensor) -> Tensor:
    """The paper's eq. 5: mean of `o_u . o_n - o_u . o_a`, weighted by inverse item probability.

    A negative n weighs 1 / q_n, normalised over the negatives of its pair, so that the popular
    ones do not dominate. As published the loss is linear in the inner products and has no lower
    bound; on unit vectors, which is all this package passes, it lies in [-2, 2]. It does not
    saturate: a pair ranked right is pushed as hard as one ranked wrong.

    Args:
        users: Unit user vectors [B, dim].
        items: Unit item vectors [B, dim], row i the item that user i chose.
        item_index: Which item each row of `items` is [B], int64.
        log_q: Log-probability of each row's item among training rows [B].

    Returns:
        Mean over the pairs that have a negative, a scalar; zero where none has.

    Raises:
        TrainingError: Shapes disagree.
    """
    _check(users, items, item_index, log_q)
    scores = users @ items.T
    differences = scores - scores.diagonal().unsqueeze(1)
    negative = item_index.unsqueeze(0) != item_index.unsqueeze(1)
    # Relative to the rarest item of the batch, so that no 1 / q overflows.
    inverse = torch.exp(log_q.min() - log_q) * negative
    total = inverse.sum(dim=1)
    per_pair = (inverse * differences).sum(dim=1) / total.clamp_min(torch.finfo(users.dtype).tiny)
    return per_pair.sum() / (total > 0).sum().clamp_min(1)


def _same_item_elsewhere(item_index: Tensor) -> Tensor:
    """Where pair j holds the very item of pair i, j != i: [B, B] bool."""
    same = item_index.unsqueeze(0) == item_index.unsqueeze(1)
    return same.fill_diagonal_(False)


def _check(users: Tensor, items: Tensor, item_index: Tensor, log_q: Tensor) -> None:
    rows = len(users)
    fits = (
        users.ndim == 2
        and rows > 0
        and items.shape == users.shape
        and item_index.shape == (rows,)
        and log_q.shape == (rows,)
    )
    if not fits:
        raise TrainingError(
            "A loss takes users [B, dim], items [B, dim], item_index [B] and log_q [B] with B > 0, "
            f"not {list(users.shape)}, {list(items.shape)}, {list(item_index.shape)} and "
            f"{list(log_q.shape)}."
        )
