"""AGG of paper eq. 1 over dense tables: max, mean or weighted mean of sigma(messages).

sigma is ReLU. It is part of the aggregation, since for the maximum it costs nothing:
max over k of relu(x_k) = max(0, max over k of x_k). A row without neighbours gives zeros.
The maximum of float32 on the CPU goes through compiled kernels where numba is installed (4 to 5
times as fast, `benchmarks/kernels.py`); everything else through plain torch, which for the mean
is about as fast as a kernel was. Both are under one contract suite.
"""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from colisten.errors import TrainingError
from colisten.words import known_word

Aggregation = Literal["max", "mean", "weighted"]

try:
    from colisten.models import kernels as _kernels
except ImportError:  # numba comes with the training extra
    compiled: ModuleType | None = None
else:
    compiled = _kernels

# Rows a thread takes at least: fewer are not worth waking it.
SHARE = 256


def aggregate(
    messages: Tensor,
    table: Tensor,
    how: Aggregation = "max",
    weights: Tensor | None = None,
    *,
    engine: ModuleType | None = compiled,
) -> Tensor:
    """Messages of every row's neighbours, aggregated: [rows, d].

    Args:
        messages: [n, d], the message of each possible neighbour, before sigma.
        table: int64 [rows, k], rows of `messages`; n marks an empty place.
        how: "max", "mean", or "weighted": the mean by `weights`.
        weights: [rows, k], not negative; for "weighted".
        engine: Module of compiled kernels; None computes in torch.

    Raises:
        TrainingError: Shapes do not fit, weights are missing, or `how` is none of the three.
    """
    known_word("Aggregation", how, get_args(Aggregation), TrainingError)
    if messages.dim() != 2 or table.dim() != 2:
        raise TrainingError(
            f"Aggregation takes [n, d] and a table [rows, k], not {list(messages.shape)} and "
            f"{list(table.shape)}."
        )
    if how == "weighted" and (weights is None or weights.shape != table.shape):
        raise TrainingError(
            f"A weighted mean needs weights {list(table.shape)}, not "
            f"{None if weights is None else list(weights.shape)}."
        )
    if how != "weighted":
        weights = None
    if not table.numel():
        return messages.new_zeros(len(table), messages.shape[1])
    fits = how == "max" and messages.dtype == torch.float32 and messages.device.type == "cpu"
    if engine is None or not fits:
        return _plain(messages, table, weights, how)
    out: Tensor = Max.apply(  # type: ignore[no-untyped-call]
        messages.contiguous(), table.contiguous(), engine
    )
    return out


class Max(torch.autograd.Function):
    """max(0, max over k of messages[table[:, k]]); the gradient goes to the winners alone."""

    @staticmethod
    def forward(ctx: Any, messages: Tensor, table: Tensor, engine: ModuleType) -> Tensor:
        """Shapes as `aggregate`."""
        out = messages.new_empty(len(table), messages.shape[1])
        if not ctx.needs_input_grad[0]:
            share(engine.max_forward, len(out), messages.numpy(), table.numpy(), out.numpy())
            return out
        winners = torch.empty(out.shape, dtype=torch.int32)
        share(
            engine.max_forward_winners,
            len(out),
            messages.detach().numpy(),
            table.numpy(),
            out.numpy(),
            winners.numpy(),
        )
        ctx.save_for_backward(winners)
        ctx.count, ctx.engine = len(messages), engine
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Add each output element's gradient to the element that won."""
        (winners,) = ctx.saved_tensors
        total = grad.new_zeros(ctx.count, grad.shape[1])
        grad = grad.contiguous()
        share(
            ctx.engine.max_backward,
            grad.shape[1],
            grad.numpy(),
            winners.numpy(),
            total.numpy(),
            least=32,
        )
        return total, None, None


def share(kernel: Callable[..., None], size: int, *arrays: np.ndarray, least: int = SHARE) -> None:
    """Run `kernel(*arrays, start, stop)` over range(size) on as many threads as torch has."""
    parts = max(1, min(torch.get_num_threads(), size // least))
    bounds = [size * part // parts for part in range(parts + 1)]
    waiting = [
        _pool(os.getpid(), parts).submit(kernel, *arrays, start, stop)
        for start, stop in pairwise(bounds[1:])
    ]
    kernel(*arrays, bounds[0], bounds[1])
    for part in waiting:
        part.result()


@lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of this process; a forked child makes its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix=f"colisten-aggregate-{process}")


def _plain(messages: Tensor, table: Tensor, weights: Tensor | None, how: Aggregation) -> Tensor:
    """The same in torch operations, on any device and in any precision."""
    padded = functional.pad(functional.relu(messages), (0, 0, 0, 1))
    near = padded.index_select(0, table.reshape(-1)).view(*table.shape, messages.shape[1])
    if how == "max":
        # Empty places hold zeros, which sigma never falls below.
        return near.amax(1)
    by = (table < len(messages)).to(messages.dtype)
    if weights is not None:
        by = by * weights.to(messages.dtype)
    total = by.sum(1, keepdim=True)
    return torch.einsum("rk,rkd->rd", by, near) / torch.where(total > 0, total, 1)
