from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from colisten.training.hgnn.loss import margin_loss, softmax_loss


def unit(rows: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(rows, 6, generator=generator))


@pytest.mark.parametrize("masked", [False, True])
def test_softmax_is_the_naive_sum(masked: bool) -> None:
    vectors = unit(7)
    pairs = torch.tensor([[0, 4], [1, 4], [2, 5], [4, 6], [3, 1]])
    generator = torch.Generator().manual_seed(1)
    log_q = torch.rand(7, generator=generator).log(), torch.rand(7, generator=generator).log()
    temperature = 0.2
    allowed = torch.rand(5, 5, generator=generator) < 0.6 if masked else None
    terms = []
    for query_end, answer_end in ((0, 1), (1, 0)):
        for number, pair in enumerate(pairs.tolist()):
            query, answer = pair[query_end], pair[answer_end]
            # Every other answer of the batch counts as often as it stands there.
            others = [
                p[answer_end]
                for at, p in enumerate(pairs.tolist())
                if allowed is None
                or (allowed[number, at] if query_end == 0 else allowed[at, number])
            ]
            wrong = [item for item in others if item not in (answer, query)]
            logits = [
                float(vectors[query] @ vectors[item]) / temperature - float(log_q[answer_end][item])
                for item in [answer, *wrong]
            ]
            terms.append(np.log(np.exp(logits).sum()) - logits[0])
    loss = softmax_loss(vectors, pairs, log_q, temperature, allowed)
    assert loss.item() == pytest.approx(np.mean(terms), rel=1e-5)


def test_softmax_of_one_pair_is_zero_and_finite() -> None:
    vectors = unit(2).requires_grad_()
    loss = softmax_loss(vectors, torch.tensor([[0, 1]]), (torch.zeros(2), torch.zeros(2)), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


def test_margin_is_the_naive_mean() -> None:
    vectors = unit(6)
    pairs, negatives = [[0, 1], [2, 3]], [[4, 5], [5, -1]]
    hinges = [
        max(0.0, float(vectors[a] @ vectors[n] - vectors[a] @ vectors[p]) + 0.3)
        for (a, p), row in zip(pairs, negatives, strict=True)
        for n in row
        if n >= 0
    ]
    loss = margin_loss(vectors, torch.tensor(pairs), torch.tensor(negatives), 0.3)
    assert loss.item() == pytest.approx(np.mean(hinges), rel=1e-5)


def test_margin_without_any_negative_is_zero() -> None:
    loss = margin_loss(unit(3), torch.tensor([[0, 1]]), torch.tensor([[-1]]), 0.3)
    assert loss.item() == 0
