"""The contract of AGG, held by compiled kernels and by plain torch alike."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from colisten.errors import TrainingError
from colisten.models.aggregation import Aggregation, aggregate, compiled

assert compiled is not None, "numba is part of the development environment"
ENGINES = pytest.mark.parametrize("engine", [compiled, None], ids=["numba", "torch"])
WAYS = pytest.mark.parametrize("how", ["max", "mean", "weighted"])


def drawn(
    rows: int, places: int, count: int, width: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """messages [count, width], table [rows, places] with empty places, weights (0 where empty)."""
    rng = torch.Generator().manual_seed(seed)
    messages = torch.randn(count, width, generator=rng)
    table = torch.randint(0, count + 1, (rows, places), generator=rng)
    weights = torch.rand(rows, places, generator=rng) + 0.1
    return messages, table, weights * (table < count)


def by_hand(messages: Tensor, table: Tensor, how: Aggregation, weights: Tensor) -> Tensor:
    out = []
    for row, strength in zip(table.tolist(), weights, strict=True):
        taken = [place for place, at in enumerate(row) if at < len(messages)]
        near = [messages[row[place]].relu() for place in taken]
        if not near:
            out.append(messages.sum(0) * 0)
        elif how == "max":
            out.append(torch.stack(near).amax(0))
        else:
            by = strength[taken] if how == "weighted" else torch.ones(len(near))
            out.append((torch.stack(near) * by[:, None]).sum(0) / by.sum())
    return torch.stack(out)


@ENGINES
@WAYS
@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 20),
    places=st.integers(1, 5),
    count=st.integers(1, 10),
    width=st.integers(1, 9),
    seed=st.integers(0, 999),
)
def test_values_and_gradients_are_those_of_the_definition(
    engine: ModuleType | None,
    how: Aggregation,
    rows: int,
    places: int,
    count: int,
    width: int,
    seed: int,
) -> None:
    messages, table, weights = drawn(rows, places, count, width, seed)
    mine, theirs = (messages.clone().requires_grad_() for _ in range(2))
    ours = aggregate(mine, table, how, weights, engine=engine)
    wanted = by_hand(theirs, table, how, weights)
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(aggregate(messages, table, how, weights, engine=engine), wanted)
    slope = torch.randn(ours.shape, generator=torch.Generator().manual_seed(seed))
    (ours * slope).sum().backward()
    # The same neighbour may stand twice in a row; the definition must share its gradient alike.
    if all(len(set(row)) == len(row) for row in table.tolist()):
        (wanted * slope).sum().backward()
        torch.testing.assert_close(mine.grad, theirs.grad)


@ENGINES
@WAYS
def test_many_rows_shared_by_threads(engine: ModuleType | None, how: Aggregation) -> None:
    """Enough rows and columns that threads share them; the kernel's runs are equal to the bit."""
    messages, table, weights = drawn(3000, 6, 500, 128, 1)
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            leaf = messages.clone().requires_grad_()
            out = aggregate(leaf, table, how, weights, engine=engine)
            out.square().sum().backward()
            assert leaf.grad is not None
            results.append((out.detach(), leaf.grad))
    finally:
        torch.set_num_threads(before)
    for out, grad in results[1:]:
        if engine is not None and how == "max":
            assert torch.equal(out, results[0][0])
            assert torch.equal(grad, results[0][1])
        torch.testing.assert_close(out, by_hand(messages, table, how, weights))


@WAYS
def test_gradients_pass_gradcheck(how: Aggregation) -> None:
    messages, table, weights = drawn(6, 3, 5, 2, 3)
    leaf = messages.double().requires_grad_()

    def forward(values: Tensor) -> Tensor:
        return aggregate(values, table, how, weights.double())

    assert torch.autograd.gradcheck(forward, (leaf,), eps=1e-6, atol=1e-5)


@ENGINES
@WAYS
def test_nobody_to_hear_gives_zeros(engine: ModuleType | None, how: Aggregation) -> None:
    messages = torch.randn(4, 3)
    empty = torch.full((5, 2), 4)
    assert not aggregate(messages, empty, how, torch.zeros(5, 2), engine=engine).any()
    none = torch.zeros(5, 0, dtype=torch.long)
    assert aggregate(messages, none, how, torch.zeros(5, 0), engine=engine).shape == (5, 3)
    nothing = torch.zeros(0, 3)
    assert not aggregate(
        nothing, torch.zeros(5, 2, dtype=torch.long), how, torch.zeros(5, 2), engine=engine
    ).any()


def test_shapes_are_checked() -> None:
    with pytest.raises(TrainingError, match=r"\[n, d\]"):
        aggregate(torch.zeros(3), torch.zeros(1, 1, dtype=torch.long))
    with pytest.raises(TrainingError, match="needs weights"):
        aggregate(torch.zeros(3, 2), torch.zeros(1, 1, dtype=torch.long), "weighted")
