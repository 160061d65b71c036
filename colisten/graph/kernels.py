"""Counting co-listeners row by row, compiled by numba: the memory of one row at a time.

Gustavson's sparse product: for an item, walk its users and add up what else they touched.
`benchmarks/graph_build.py` says what it saves over a join in the engine.
"""

# numba reads argument types off the call, so annotations would only be in the way.
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import numba
import numpy as np

WHOLE = 1_000_000

compiled = numba.njit(nogil=True, cache=True)


@compiled
def edges_of_rows(
    start,
    stop,
    user_ptr,
    user_items,
    user_first,
    user_day,
    share,
    factors,
    item_ptr,
    item_user,
    item_place,
    stops,
    by,
    num_users,
    min_colisteners,
    top_k,
):
    """Edges of items start:stop: per row and kind how many, then targets, weights, times.

    Args are CSR of users over items (`user_*`, `share` per user), its transpose (`item_*`;
    `item_place` is the position of a touch in the user's arrays), decay `factors` by day or none,
    `stops` the end index of each kind, and `by`: 0 strength, 1 cosine, 2 lift.
    """
    items = len(item_ptr) - 1
    kinds = len(stops)
    count = np.zeros(items, np.int32)
    strength = np.zeros(items, np.int64)
    since = np.zeros(items, np.int64)
    reached = np.empty(items, np.int32)
    counts = np.zeros((stop - start, kinds), np.int64)
    room = (stop - start) * kinds * min(top_k, items)
    targets = np.empty(room, np.int32)
    weights = np.empty(room, np.float32)
    times = np.empty(room, np.int64)
    filled = 0
    for row in range(start, stop):
        size = _add_up(
            row,
            user_ptr,
            user_items,
            user_first,
            user_day,
            share,
            factors,
            item_user[item_ptr[row] : item_ptr[row + 1]],
            item_place[item_ptr[row] : item_ptr[row + 1]],
            count,
            strength,
            since,
            reached,
        )
        near = np.sort(reached[:size])
        low = 0
        for kind in range(kinds):
            high = low
            while high < size and near[high] < stops[kind]:
                high += 1
            neighbours = np.empty(high - low, np.int32)
            value = np.empty(high - low, np.float64)
            number = 0
            for at in range(low, high):
                item = near[at]
                if count[item] >= min_colisteners:
                    neighbours[number] = item
                    product = np.float64(item_ptr[row + 1] - item_ptr[row]) * np.float64(
                        item_ptr[item + 1] - item_ptr[item]
                    )
                    value[number] = _weight(strength[item], product, num_users, by)
                    number += 1
            if number > top_k:
                # Ascending by index and stable by value: ties go to the lower index.
                best = np.sort(np.argsort(-value[:number], kind="mergesort")[:top_k])
            else:
                best = np.arange(number)
            for at in best:
                targets[filled] = neighbours[at]
                weights[filled] = value[at]
                times[filled] = since[neighbours[at]]
                filled += 1
            counts[row - start, kind] = len(best)
            low = high
        for at in range(size):
            count[reached[at]] = 0
            strength[reached[at]] = 0
    return counts, targets[:filled].copy(), weights[:filled].copy(), times[:filled].copy()


@compiled
def _add_up(
    row,
    user_ptr,
    user_items,
    user_first,
    user_day,
    share,
    factors,
    users,
    places,
    count,
    strength,
    since,
    reached,
):
    """Add what the users of an item touched besides to `count`, `strength` and `since`.

    Returns how many items that is; they stand first in `reached`.
    """
    size = 0
    for at in range(len(users)):
        user, place = users[at], places[at]
        first, day = user_first[place], user_day[place]
        for other in range(user_ptr[user], user_ptr[user + 1]):
            item = user_items[other]
            if item == row:
                continue
            added = share[user]
            if len(factors):
                added = added * factors[min(day, user_day[other])] // WHOLE
            moment = max(first, user_first[other])
            if count[item] == 0:
                reached[size] = item
                size += 1
                since[item] = moment
            elif moment < since[item]:
                since[item] = moment
            count[item] += 1
            strength[item] += added
    return size


@compiled
def _weight(strength, product, num_users, by):
    """Weight of an edge; `product` is of how many users touched either end."""
    weight = np.float64(strength) / WHOLE
    if by == 1:
        return weight / np.sqrt(product)
    if by == 2:
        return weight * np.float64(num_users) / product
    return weight
