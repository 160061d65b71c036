"""How much each part of a score counts, by kind of user.

What is learned from everybody serves badly whom it knows least: users without a history of the
recommended type, whose other history says little. So taste has a share that is set for each kind
of user on held-out users of that kind, and what it leaves goes to plain popularity: at a share of
zero the order is that of popularity (and of the transfer term, where that has proved itself).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

KINDS = ("cold", "warm")
"""Users without and with a history of the recommended type."""


@dataclass(frozen=True)
class ScoreWeights:
    """Weights of a score's parts; `logit = taste share * (members, prior, kNN) + floor + transfer`.

    Attributes:
        members: Share of each member, together one.
        taste: By kind, the share of all that is learned, in [0, 1].
        floor: By kind, weight of log popularity at each half-life.
        knn: Weight of each part of the kNN term, as in `KnnTermLayout.names`; empty for none.
        transfers: Which of those parts are the transfer term's.
        transfer: By kind, the weight of these; taste has no say in it.
    """

    members: tuple[float, ...]
    taste: tuple[float, ...] = (1.0, 1.0)
    floor: tuple[tuple[float, ...], ...] = ((), ())
    knn: tuple[float, ...] = ()
    transfers: tuple[int, ...] = ()
    transfer: tuple[float, ...] = (0.0, 0.0)

    @classmethod
    def plain(cls, members: int, prior_dim: int, knn: Sequence[float] = ()) -> ScoreWeights:
        """All members alike and taste at full share, with these weights of the kNN term."""
        return cls(
            members=(1.0 / members,) * members,
            floor=((0.0,) * prior_dim,) * len(KINDS),
            knn=tuple(knn),
        )

    def of_terms(self) -> list[list[float]]:
        """Weights of kNN and transfer term, by kind and part [2, parts]."""
        return [
            [
                transfer if part in self.transfers else taste * weight
                for part, weight in enumerate(self.knn)
            ]
            for taste, transfer in zip(self.taste, self.transfer, strict=True)
        ]
