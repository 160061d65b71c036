"""The kNN term: how near an item is to a user's history, in the vectors as they came.

Towers learn which directions of text and z matter. What they cannot learn from few examples is
the plain fact that people return to near copies of what they know. So a score may carry, beside
the learned inner product, one of means that nobody trained (the paper's LLM-KNN and HGNN-mean):

    sum over types t and blocks b of  e_tb * unit(mean_tb) . (v_b - centre_b)

with mean_tb the user's history mean of type t in block b (text, z, factors), v_b the item's own
vector and centre_b the catalogue's mean. Factors are heard here alone: with them the sum is a
neighbourhood model over the graph, and a tower that learned from them would learn its examples by
heart. The few weights e_tb are chosen on held-out examples, not trained:
training examples know their users' whole histories and would not ask for it.

The block "transfer" is heard through the other types as a term of its own: a mean says where in
their space a user stands,
and a target item's own vector how much more than usual people who stand there start it
(`colisten.training.towers.transfer`). That sum is the **transfer term**. Through the
target type it is a part of the kNN term like any other: titles whose people come from one place.
"""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from colisten.features.transform import UserFeatureSpec
from colisten.models.items import ItemFeatureSpec

TRANSFER = "transfer"
_TINY = 1e-12
Part = TypeVar("Part")


@dataclass(frozen=True)
class KnnTermLayout:
    """Where the kNN term's parts lie among the towers' inputs.

    Attributes:
        names: One name for each type and block, types outermost, such as "audiobook_text".
        means: First user column of each type's mean, by block: [types][blocks].
        own: First item column of each block.
        absent: Item column that says that a block's vector is missing.
        dims: Length of each block's vectors.
        blocks: Name of each block.
    """

    names: tuple[str, ...]
    means: tuple[tuple[int, ...], ...]
    own: tuple[int, ...]
    absent: tuple[int, ...]
    dims: tuple[int, ...]
    blocks: tuple[str, ...]

    @classmethod
    def of(cls, users: UserFeatureSpec, items: ItemFeatureSpec) -> KnnTermLayout:
        """The layout of two specifications; blocks without columns have no kNN term."""
        blocks = [(at, name, dim) for at, (name, dim) in enumerate(items.blocks.items()) if dim]
        starts, start = {}, 0
        for name, dim in items.blocks.items():
            starts[name] = start
            start += dim
        first = items.static_width + len(items.blocks)
        return cls(
            names=tuple(f"{kind}_{name}" for kind in users.types for _, name, _ in blocks),
            means=tuple(
                tuple(users.history(kind).start + starts[name] for _, name, _ in blocks)
                for kind in users.types
            ),
            own=tuple(first + starts[name] for _, name, _ in blocks),
            absent=tuple(items.static_width + at for at, _, _ in blocks),
            dims=tuple(dim for _, _, dim in blocks),
            blocks=tuple(name for _, name, _ in blocks),
        )

    def of_blocks(self, kept: Collection[str]) -> KnnTermLayout:
        """The term of some of its blocks alone."""
        at = [place for place, name in enumerate(self.blocks) if name in kept]

        def some(values: Sequence[Part]) -> tuple[Part, ...]:
            return tuple(values[place] for place in at)

        size = len(self.blocks)
        kinds = range(0, len(self.names), size)
        return KnnTermLayout(
            names=tuple(name for kind in kinds for name in some(self.names[kind : kind + size])),
            means=tuple(some(starts) for starts in self.means),
            own=some(self.own),
            absent=some(self.absent),
            dims=some(self.dims),
            blocks=some(self.blocks),
        )

    @property
    def transfers(self) -> tuple[int, ...]:
        """Which of `names` are the transfer term: its block, heard through the other types."""
        blocks = len(self.dims)
        return tuple(
            part
            for part, name in enumerate(self.names)
            if part >= blocks and name.endswith(f"_{TRANSFER}")
        )

    @property
    def near(self) -> tuple[int, ...]:
        """Which of `names` are the kNN term: all that are not the transfer term."""
        return tuple(at for at in range(len(self.names)) if at not in self.transfers)

    @property
    def dim(self) -> int:
        """Dimensions that the kNN term adds to a vector."""
        return sum(self.dims)

    def user_parts(self, features: Tensor) -> list[list[Tensor]]:
        """Unit history means [types][blocks] of [B, dim of the block]; zero without history."""
        return [
            [
                _unit(features[:, start : start + dim])
                for start, dim in zip(starts, self.dims, strict=True)
            ]
            for starts in self.means
        ]

    def of_users(self, features: Tensor, weights: Tensor) -> Tensor:
        """Users' side [B, dim] for features [B, width] and weights [types, blocks]."""
        parts = self.user_parts(features)
        blocks = [
            torch.stack([weights[t, b] * row[b] for t, row in enumerate(parts)]).sum(dim=0)
            for b in range(len(self.dims))
        ]
        return torch.cat(blocks, dim=1)

    def item_parts(self, features: Tensor) -> Tensor:
        """Items' own vectors [n, dim], block beside block."""
        return torch.cat([features[:, a : a + d] for a, d in self._spans], dim=1)

    def present(self, features: Tensor) -> Tensor:
        """One where the item has the block's vector, [n, dim]."""
        return torch.cat(
            [
                (1.0 - features[:, a : a + 1]).expand(-1, d)
                for a, d in zip(self.absent, self.dims, strict=True)
            ],
            dim=1,
        )

    def centre(self, features: Tensor) -> Tensor:
        """Mean [dim] of the vectors that are there."""
        there = self.present(features)
        return (self.item_parts(features) * there).sum(dim=0) / there.sum(dim=0).clamp(min=1.0)

    def of_items(self, features: Tensor, centre: Tensor) -> Tensor:
        """Items' side [n, dim] for features [n, width]; zero where a vector is missing."""
        return (self.item_parts(features) - centre) * self.present(features)

    @property
    def _spans(self) -> Sequence[tuple[int, int]]:
        return list(zip(self.own, self.dims, strict=True))


def _unit(rows: Tensor) -> Tensor:
    length: Tensor = rows.norm(dim=1, keepdim=True)
    return rows / length.clamp(min=_TINY)
