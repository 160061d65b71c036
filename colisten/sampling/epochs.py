"""Which supervised pairs an epoch takes from each relation, and in which order."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from colisten.errors import GraphError
from colisten.sampling.supervision import SupervisedEdges
from colisten.words import known_word, shown

Drawn = TypeVar("Drawn")
WORDS = ("min", "none")
Balance = Literal["min", "none"] | Mapping[Any, float]


class OnceAnEpoch(Generic[Drawn]):
    """Holds what was drawn for one epoch, whichever thread asked first; a copy holds nothing."""

    def __init__(self) -> None:
        self._held: tuple[int, Drawn] | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """A lock goes neither into a copy nor to another process."""
        return OnceAnEpoch, ()

    def of(self, epoch: int, draw: Callable[[int], Drawn]) -> Drawn:
        """What `draw` gives for the epoch."""
        with self._lock:
            if self._held is None or self._held[0] != epoch:
                self._held = epoch, draw(epoch)
            return self._held[1]


class EpochPlan:
    """Fresh draws every epoch; an epoch follows from (seed, epoch) alone.

    Args:
        edges: Supervised pairs.
        batch_size: Pairs of the largest relation per batch; the mean over relations for "none".
        balance: "min", "none" or a ratio per relation, as `MultiLinkNeighborLoader` says.
        weighted: Draw pairs by strength with replacement, else uniformly without.
        seed: Of all draws.

    Raises:
        GraphError: A size or ratio is not positive, or a ratio is of an unknown relation.
    """

    def __init__(
        self,
        edges: SupervisedEdges,
        batch_size: int,
        balance: Balance,
        *,
        weighted: bool,
        seed: int,
    ) -> None:
        if batch_size < 1:
            raise GraphError(f"A batch has at least 1 pair, not {batch_size}.")
        if not isinstance(balance, Mapping):
            known_word("balance", balance, WORDS, GraphError)
        self.edges = edges
        self.batch_size = batch_size
        self.balance = balance
        self.weighted = weighted
        self.seed = seed
        self.sizes = self._sizes()
        self._cumulative: dict[Any, np.ndarray] = {}
        self._once: OnceAnEpoch[dict[Any, np.ndarray]] = OnceAnEpoch()

    def __len__(self) -> int:
        """Batches per epoch."""
        if self.balance == "none":
            per_batch = self.batch_size * max(len(self.sizes), 1)
            return -(-sum(self.sizes.values()) // per_batch)
        return -(-max(self.sizes.values(), default=0) // self.batch_size)

    def epoch(self, epoch: int) -> dict[Any, np.ndarray]:
        """Pair numbers per relation, int64, in the order of the epoch's batches."""
        return self._once.of(epoch, self._draw_all)

    def batch(self, epoch: int, number: int) -> dict[Any, np.ndarray]:
        """Pair numbers of one batch; every batch takes about the same share of each relation."""
        parts = {}
        for name, drawn in self.epoch(epoch).items():
            start, stop = (len(drawn) * (number + step) // len(self) for step in (0, 1))
            if stop > start:
                parts[name] = drawn[start:stop]
        return parts

    def _draw_all(self, epoch: int) -> dict[Any, np.ndarray]:
        rng = np.random.default_rng([self.seed, epoch, 0])
        return {name: self._draw(name, size, rng) for name, size in self.sizes.items()}

    def _draw(self, name: Any, size: int, rng: np.random.Generator) -> np.ndarray:
        total = len(self.edges.pairs[name])
        if not self.weighted:
            return rng.choice(total, size, replace=False)
        if name not in self._cumulative:
            self._cumulative[name] = np.cumsum(self.edges.strength[name], dtype=np.float64)
        cumulative = self._cumulative[name]
        at = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
        drawn: np.ndarray = np.minimum(at, total - 1)
        return drawn

    def _sizes(self) -> dict[Any, int]:
        sizes = {name: len(self.edges.pairs[name]) for name in self.edges.relations}
        if self.balance == "none" or not sizes:
            return sizes
        smallest = min(sizes.values())
        if self.balance == "min":
            return dict.fromkeys(sizes, smallest)
        assert isinstance(self.balance, Mapping)
        for name, ratio in self.balance.items():
            known_word("Relation in balance", name, list(self.edges.pairs), GraphError)
            number = isinstance(ratio, Real) and not isinstance(ratio, bool)
            if not number or not 0 < ratio < math.inf:
                raise GraphError(f"A ratio of balance is a positive number, not {shown(ratio)}.")
        return {
            name: min(size, max(1, round(self.balance.get(name, 1.0) * smallest)))
            for name, size in sizes.items()
        }
