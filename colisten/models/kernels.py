"""Aggregation over neighbours, compiled by numba: nothing of [rows, k, d] is ever in memory.

Each kernel does a part of its output, so threads can share the work without touching one
another's numbers: forward by rows, backward by columns. Results do not depend on how many share.
`benchmarks/kernels.py` says what they save.
"""

# numba reads argument types off the call, so annotations would only be in the way.
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import numba
import numpy as np

compiled = numba.njit(nogil=True, cache=True)


@compiled
def max_forward(source, table, out, start, stop):
    """out[r] = max(0, max over k of source[table[r, k]]) for rows start:stop."""
    count, width = len(source), source.shape[1]
    for row in range(start, stop):
        best = out[row]
        best[:] = 0
        for place in range(table.shape[1]):
            at = table[row, place]
            if at < count:
                message = source[at]
                for column in range(width):
                    best[column] = max(best[column], message[column])


@compiled
def max_forward_winners(source, table, out, winners, start, stop):
    """As `max_forward`, and in `winners` int32 [rows, d] which row of source it was; -1 none."""
    count, width = len(source), source.shape[1]
    for row in range(start, stop):
        best, winner = out[row], winners[row]
        best[:] = 0
        winner[:] = -1
        for place in range(table.shape[1]):
            at = table[row, place]
            if at < count:
                message, number = source[at], np.int32(at)
                for column in range(width):
                    better = message[column] > best[column]
                    best[column] = message[column] if better else best[column]
                    winner[column] = number if better else winner[column]


@compiled
def max_backward(grad, winners, total, start, stop):
    """total[winners[r, c], c] += grad[r, c] for columns start:stop."""
    for row in range(len(grad)):
        for column in range(start, stop):
            at = winners[row, column]
            if at >= 0:
                total[at, column] += grad[row, column]


@compiled
def max_csr(indptr, indices, source, out, start, stop):
    """Add max(0, max over all neighbours) to out for rows start:stop of a CSR relation."""
    width = source.shape[1]
    best = np.empty(width, np.float32)
    for row in range(start, stop):
        first, last = indptr[row], indptr[row + 1]
        if first == last:
            continue
        best[:] = 0
        for edge in range(first, last):
            message = source[indices[edge]]
            for column in range(width):
                best[column] = max(best[column], message[column])
        for column in range(width):
            out[row, column] += best[column]


@compiled
def mean_csr(indptr, indices, weights, source, out, start, stop):
    """Add the mean of max(0, neighbour) by weight to out for rows start:stop; see `max_csr`."""
    width = source.shape[1]
    mean = np.empty(width, np.float32)
    for row in range(start, stop):
        first, last = indptr[row], indptr[row + 1]
        total = np.float32(0)
        mean[:] = 0
        for edge in range(first, last):
            weight = weights[edge] if len(weights) else np.float32(1)
            total += weight
            message = source[indices[edge]]
            for column in range(width):
                mean[column] += weight * max(message[column], np.float32(0))
        if total > 0:
            share = np.float32(1) / total
            for column in range(width):
                out[row, column] += mean[column] * share
