"""The sampler's inner loops, compiled by numba; they hold no lock, so workers run beside them.

Same arithmetic as `draws.py`, same draws. `benchmarks/kernels.py` says what they save.
"""

# numba reads argument types off the call, so annotations would only be in the way.
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import numba
import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
ODD = np.uint64(0xD1B54A32D192ED03)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
S11, S27, S30, S31, S32 = (np.uint64(shift) for shift in (11, 27, 30, 31, 32))
ONE = np.uint64(1)

compiled = numba.njit(nogil=True, cache=True, inline="never")


@compiled
def _mix(x):
    x = (x ^ (x >> S30)) * FIRST
    x = (x ^ (x >> S27)) * SECOND
    return x ^ (x >> S31)


@compiled
def _share(stream, number):
    bits = _mix(stream + (np.uint64(number) + ONE) * ODD)
    return np.float64(bits >> S11) * 2.0**-53


@compiled
def _find(cumulative, size, share):
    """First place whose running total exceeds share * total, by bisection; never past it."""
    total = cumulative[size - 1]
    goal = share * total
    low, high = 0, size - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > goal:
            high = middle
        else:
            low = middle + 1
    if cumulative[low] <= goal:
        low = size - 1
    while low > 0 and cumulative[low - 1] >= total:
        low -= 1
    return low


@compiled
def draw(start, degree, nodes, key, weights, times, latest, edges):
    """Fill `edges` int64 [rows, k], full of -1, as `draws.draw_edges` says."""
    width = edges.shape[1]
    widest = 0
    for row in range(len(start)):
        widest = max(widest, degree[row])
    allowed = np.empty(widest if len(times) else 0, np.int64)
    cumulative = np.empty(widest if len(weights) else 0, np.float64)
    for row in range(len(start)):
        first, size = start[row], degree[row]
        sample = edges[row]
        if len(times):
            count = 0
            for place in range(size):
                if times[first + place] <= latest[row]:
                    allowed[count] = place
                    count += 1
            size = count
        if size <= width:
            for place in range(size):
                sample[place] = place
        elif len(weights):
            _in_proportion(
                sample, first, size, weights, allowed, cumulative, _stream(key, nodes[row])
            )
        else:
            stream = _stream(key, nodes[row])
            for number in range(width):
                last = size - width + number
                bits = _mix(stream + (np.uint64(number) + ONE) * ODD)
                guess = np.int64(((bits >> S32) * np.uint64(last + 1)) >> S32)
                for earlier in range(number):
                    if sample[earlier] == guess:
                        guess = last
                        break
                sample[number] = guess
        for number in range(min(size, width)):
            place = sample[number]
            sample[number] = first + (allowed[place] if len(times) else place)


@compiled
def _stream(key, node):
    return _mix(key + np.uint64(node) * GOLDEN)


@compiled
def _in_proportion(sample, first, size, weights, allowed, cumulative, stream):
    total = 0.0
    for place in range(size):
        total += weights[first + (allowed[place] if len(allowed) else place)]
        cumulative[place] = total
    asked = 0
    for number in range(len(sample)):
        guess = _find(cumulative, size, _share(stream, asked))
        asked += 1
        again = False
        for earlier in range(number):
            again |= sample[earlier] == guess
        if again:
            total = 0.0
            for place in range(size):
                weight = weights[first + (allowed[place] if len(allowed) else place)]
                for earlier in range(number):
                    if sample[earlier] == place:
                        weight = np.float32(0)
                total += weight
                cumulative[place] = total
            guess = _find(cumulative, size, _share(stream, asked))
            asked += 1
        sample[number] = guess


@compiled
def mark(table, offset, reached):
    """Set `reached[node]` for every node of a table of local indices; -1 is nobody."""
    for row in range(table.shape[0]):
        for column in range(table.shape[1]):
            if table[row, column] >= 0:
                reached[table[row, column] + offset] = True


@compiled
def neighbours(edges, indices, rows, row_offset, offset, endpoints, keys, total):
    """Local neighbour index of every edge number; -1 for none and for an excluded pair."""
    table = np.empty(edges.shape, np.int64)
    for row in range(edges.shape[0]):
        node = rows[row] + row_offset
        watch = len(keys) > 0 and endpoints[node]
        for column in range(edges.shape[1]):
            edge = edges[row, column]
            if edge < 0:
                table[row, column] = -1
                continue
            other = np.int64(indices[edge])
            table[row, column] = other
            if watch and endpoints[other + offset]:
                end = other + offset
                wanted = min(node, end) * total + max(node, end)
                at = np.searchsorted(keys, wanted)
                if at < len(keys) and keys[at] == wanted:
                    table[row, column] = -1
    return table


@compiled
def relabel(table, position, first, empty):
    """A table's local indices become positions minus `first`, in place; `empty` for nobody."""
    for row in range(table.shape[0]):
        for column in range(table.shape[1]):
            local = table[row, column]
            table[row, column] = empty if local < 0 else position[local] - first


@compiled
def linked(indptr, indices, rows, others):
    """Whether `others[i]` is among the ascending neighbours of `rows[i]`; bool [len(rows)]."""
    answer = np.zeros(len(rows), np.bool_)
    for at in range(len(rows)):
        low, high = indptr[rows[at]], indptr[rows[at] + 1]
        stop = high
        while low < high:
            middle = (low + high) // 2
            if indices[middle] < others[at]:
                low = middle + 1
            else:
                high = middle
        answer[at] = low < stop and indices[low] == others[at]
    return answer
