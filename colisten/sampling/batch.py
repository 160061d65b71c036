"""`MultiLinkBatch`: pairs of several relations, and where they stand among the batch's seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from colisten.sampling.neighbours import Neighbourhood


@dataclass(frozen=True)
class MultiLinkBatch:
    """Supervised pairs of several relations and the neighbourhood of all their ends.

    Attributes:
        neighbourhood: Draws for message passing; holds no supervised pair of this batch, in
            either direction.
        pairs: Per relation int64 [B, 2], positions in `neighbourhood.seeds`.
        negatives: Per relation int64 [B, num_negatives], positions in `neighbourhood.seeds` of
            nodes of the second type that are no neighbours of the pair's first; -1 where the
            first node neighbours all of them.
        masks: Per relation bool [B, B] where negatives come from the batch: (i, j) says whether
            the second node of pair j is a negative of the first of pair i.
        labels: Per labelled relation [B], the pairs' labels.
        given: Per relation whose negatives the caller gave some: int64 [G, 2], positions in
            `neighbourhood.seeds`.
    """

    neighbourhood: Neighbourhood
    pairs: dict[Any, np.ndarray]
    negatives: dict[Any, np.ndarray]
    masks: dict[Any, np.ndarray]
    labels: dict[Any, np.ndarray] = field(default_factory=dict)
    given: dict[Any, np.ndarray] = field(default_factory=dict)

    @property
    def num_pairs(self) -> int:
        """Supervised pairs of all relations."""
        return sum(len(pairs) for pairs in self.pairs.values())


def distinct_seeds(
    pairs: Mapping[Any, np.ndarray],
    negatives: Mapping[Any, np.ndarray],
    moments: Mapping[Any, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray | None, Callable[[np.ndarray, Any], np.ndarray]]:
    """Distinct seeds, the moments they are seen from, and where a relation's nodes stand."""
    ends = [part.ravel() for part in pairs.values()]
    others = [part[part >= 0] for part in negatives.values()]
    if moments is None:
        seeds = np.unique(np.concatenate([np.zeros(0, np.int64), *ends, *others]))
        return seeds, None, lambda nodes, name: np.searchsorted(seeds, nodes)
    times = np.unique(np.concatenate([np.zeros(0, np.int64), *moments.values()]))
    group = {name: np.searchsorted(times, part) for name, part in moments.items()}

    def keys(nodes: np.ndarray, name: Any) -> np.ndarray:
        numbers: np.ndarray = nodes * np.int64(len(times)) + group[name][:, None]
        return numbers

    parts = [keys(part, name).ravel() for name, part in pairs.items()]
    for name, part in negatives.items():
        parts.append(keys(part, name)[part >= 0])
    every = np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))
    seeds, seen = np.divmod(every, max(len(times), 1))
    return seeds, times[seen], lambda nodes, name: np.searchsorted(every, keys(nodes, name))
