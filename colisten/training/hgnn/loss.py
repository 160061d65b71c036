"""What the HGNN is trained to do: linked items close, others apart (paper section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Stands for log 0 of an item that is in no training pair, so a logit stays finite.
MIN_FREQUENCY = 1e-12


def softmax_loss(
    vectors: Tensor,
    pairs: Tensor,
    log_q: tuple[Tensor, Tensor],
    temperature: float,
    allowed: Tensor | None = None,
) -> Tensor:
    """InfoNCE both ways with in-batch negatives and logQ correction.

    The first item of a pair must find its second among the seconds of all pairs, and the other
    way round. A frequent item is a negative more often, so its log-frequency is taken off its
    logit (Yi et al., RecSys 2019). Neither the item itself nor another copy of the right answer
    counts as a negative.

    Args:
        vectors: Unit vectors [num_seeds, dim].
        pairs: int64 [B, 2], rows of `vectors`.
        log_q: Per seed the log-frequency as first and as second item of this relation, each
            [num_seeds].
        temperature: Positive.
        allowed: bool [B, B], whether the second item of pair j may be a negative of the first of
            pair i; by default all may.

    Returns:
        Mean cross-entropy, a scalar.
    """
    first, second = pairs[:, 0], pairs[:, 1]
    scores = vectors[first] @ vectors[second].T / temperature
    barred = None if allowed is None else ~allowed
    forward = _one_way(scores, first, second, log_q[1][second], barred)
    back = None if barred is None else barred.T
    backward = _one_way(scores.T, second, first, log_q[0][first], back)
    return (forward + backward) / 2


def margin_loss(vectors: Tensor, pairs: Tensor, negatives: Tensor, margin: float) -> Tensor:
    """The paper's hinge: mean of `max(0, z_a . z_n - z_a . z_p + margin)`.

    Args:
        vectors: Unit vectors [num_seeds, dim].
        pairs: int64 [B, 2], rows (a, p) of `vectors`.
        negatives: int64 [B, n], rows n of `vectors`; -1 where there is no negative.
        margin: Positive.
    """
    anchor = vectors[pairs[:, 0]]
    right = (anchor * vectors[pairs[:, 1]]).sum(1, keepdim=True)
    present = negatives >= 0
    wrong = torch.einsum("bd,bnd->bn", anchor, vectors[negatives.clamp_min(0)])
    hinge = functional.relu(wrong - right + margin) * present
    return hinge.sum() / present.sum().clamp_min(1)


def _one_way(
    scores: Tensor, query: Tensor, answer: Tensor, log_q: Tensor, barred: Tensor | None
) -> Tensor:
    logits = scores - log_q
    copy = (answer.unsqueeze(0) == answer.unsqueeze(1)).fill_diagonal_(False)
    itself = answer.unsqueeze(0) == query.unsqueeze(1)
    out = copy | itself
    if barred is not None:
        out |= barred & ~torch.eye(len(query), dtype=torch.bool, device=scores.device)
    logits = logits.masked_fill(out, -torch.inf)
    return functional.cross_entropy(logits, torch.arange(len(query), device=scores.device))
