"""Unordered pairs of nodes as single integers, and sets of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from colisten.sampling.adjacency import Adjacency, carriers_of


def pair_keys(left: np.ndarray, right: np.ndarray, num_items: int) -> np.ndarray:
    """One int64 per unordered pair of global indices: `low * num_items + high`."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    keys: np.ndarray = low.astype(np.int64) * np.int64(num_items) + high
    return keys


def contains(sorted_keys: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Which of `keys` are in `sorted_keys`; bool, shaped like `keys`."""
    if not sorted_keys.size:
        return np.zeros(keys.shape, bool)
    at = np.searchsorted(sorted_keys, keys)
    at[at == len(sorted_keys)] = 0
    inside: np.ndarray = sorted_keys[at] == keys
    return inside


@dataclass(frozen=True)
class Excluded:
    """Edges that message passing must not use: a batch's supervised pairs, either direction.

    Attributes:
        keys: Per message relation sorted int64 keys of pairs.
        endpoints: bool [num_nodes of all types], whether a node is in any pair.
    """

    keys: dict[Any, np.ndarray]
    endpoints: np.ndarray

    @classmethod
    def of(
        cls,
        pairs: Mapping[Any, np.ndarray],
        graph: Adjacency,
        reverse: Mapping[Any, Any] | None = None,
    ) -> Excluded:
        """Exclude supervised pairs by relation, int64 [num_pairs, 2] of global indices.

        Args:
            reverse: Message relation of the other direction per supervised relation, where its
                name does not tell (see `reverses`).
        """
        endpoints = np.zeros(graph.total, bool)
        parts: dict[Any, list[np.ndarray]] = {}
        for name, part in pairs.items():
            endpoints[part] = True
            keys = pair_keys(part[:, 0], part[:, 1], graph.total)
            for carrier in carriers_of(name, graph.relations, reverse):
                parts.setdefault(carrier, []).append(keys)
        return cls({name: np.unique(np.concatenate(p)) for name, p in parts.items()}, endpoints)
