"""Labelled pairs that lie at edges, as PyG's `RandomLinkSplit` leaves them under any key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from colisten.errors import GraphError
from colisten.graph.given import array_of

USUAL = "edge_label"
ENDS = ("", "_index")


def label_keys(store: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys k under which labelled pairs are stored, as `k` and `k_index`; the usual one first.

    `split_labels=True` stores `pos_k` and `neg_k` in their place.
    """
    keys = [
        key
        for name in list(store.keys())
        if name.endswith("_index")
        and (key := name.removesuffix("_index").removeprefix("pos_").removeprefix("neg_"))
        and (key == USUAL or _fits(store, name))
    ]
    return tuple(sorted(set(keys), key=lambda key: (key != USUAL, key)))


def is_label(name: str, keys: tuple[str, ...]) -> bool:
    """Whether attribute `name` holds labels or labelled pairs of one of `keys`."""
    parts = {f"{sign}{key}{end}" for key in keys for sign in ("", "pos_", "neg_") for end in ENDS}
    return name in parts or USUAL in name


def stored_pairs(store: Mapping[str, Any], name: Any) -> tuple[Any, Any]:
    """The labelled pairs of an edge type, [2, n], and their labels, [n]; None for what is missing.

    Raises:
        GraphError: Several keys hold some, and none is the usual one.
    """
    keys = label_keys(store)
    if not keys:
        return None, None
    if len(keys) > 1 and keys[0] != USUAL:
        raise GraphError(
            f"Edge type {name} holds labelled pairs as {' and as '.join(keys)}.",
            "Give those that are meant in edge_label_index and edge_label.",
        )
    key = keys[0]
    if f"{key}_index" in store:
        return store[f"{key}_index"], store.get(key)
    return _joined(store, key)


def _fits(store: Mapping[str, Any], name: str) -> bool:
    """Whether `name` holds pairs and what it indexes a label for each."""
    label = store.get(name.removesuffix("_index"))
    pairs: Sequence[int] = getattr(store[name], "shape", ())
    labels: Sequence[int] = getattr(label, "shape", ())
    return len(pairs) == 2 and pairs[0] == 2 and list(labels[:1]) == [pairs[1]]


def _joined(store: Mapping[str, Any], key: str) -> tuple[np.ndarray, np.ndarray]:
    """What `split_labels=True` keeps apart, in one."""

    def part(sign: str) -> tuple[np.ndarray, np.ndarray] | None:
        name = f"{sign}_{key}_index"
        if store.get(name) is None:
            return None
        pairs, label = array_of(store[name], name), store.get(f"{sign}_{key}")
        if label is None:
            label = np.full(pairs.shape[-1], sign == "pos", np.float32)
        return pairs, array_of(label, f"{sign}_{key}")

    parts = [each for sign in ("pos", "neg") if (each := part(sign)) is not None]
    return (
        np.concatenate([pairs for pairs, _ in parts], 1),
        np.concatenate([label for _, label in parts]),
    )
