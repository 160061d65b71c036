"""Where the parts of a score lie in the served vectors, and what it is on the scale of training.

An inner product of a user's and an item's vector is a sum over dimensions, and each of these
belongs to one part: taste, popularity, or a block of kNN and transfer term (see
`colisten.models.towers`). The two last dimensions fill lengths up and add nothing to any score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from colisten.errors import FileError
from colisten.json_files import read_mapping

TASTE, POPULARITY, SIMILARITY = "taste", "popularity", "similarity"
_FILL = 2
_TINY = 1e-12


@dataclass(frozen=True)
class VectorLayout:
    """The columns of served vectors, in their order.

    Attributes:
        taste: Columns of all members' tastes.
        members: Pairs of towers that voted; an item's taste is a unit vector of each.
        temperature: Of the softmax they were trained with, their harmonic mean.
        popularity: Columns of the popularity prior.
        similarity: Columns of each block of kNN and transfer term, by name.
    """

    taste: int
    members: int
    temperature: float
    popularity: int = 0
    similarity: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Self:
        """That of a towers folder's `spec.json`.

        Raises:
            KeyError: The towers do not say it; an older version made them.
        """
        taste, item = int(spec["taste_dim"]), spec["item"]
        blocks = item["blocks"]
        inverse = [1.0 / float(each) for each in spec["temperature"]]
        return cls(
            taste=taste,
            members=int(spec["members"]),
            temperature=len(inverse) / sum(inverse),
            popularity=len(item["popularity_half_lives"]),
            similarity={name: int(blocks[name]) for name in spec["knn_blocks"]},
        )

    @classmethod
    def read(cls, folder: Path, dim: int) -> Self | None:
        """That of the towers in a folder, whose vectors are `dim` long; None where they say none.

        Vectors of another length than what is said adds up to are none that this describes.
        """
        try:
            layout = cls.of(read_mapping(folder / "spec.json"))
        except (OSError, FileError, KeyError, TypeError, ValueError, ZeroDivisionError):
            return None
        return layout if layout.dim == dim else None

    @property
    def dim(self) -> int:
        """Length of a vector."""
        beside = self.popularity + sum(self.similarity.values())
        return self.taste + beside + _FILL if beside else self.taste

    def parts(self, user: np.ndarray, items: np.ndarray) -> dict[str, np.ndarray]:
        """What each part adds to the inner products of a user and k items, float64 [k] each.

        Taste, popularity and similarity add up to the inner product.

        Args:
            user: Unit vector [dim].
            items: Unit vectors [k, dim].
        """
        products = items.astype(np.float64) * user.astype(np.float64)
        ends = np.cumsum([self.taste, self.popularity, sum(self.similarity.values())])
        pieces = np.split(products, ends, axis=1)
        names = (TASTE, POPULARITY, SIMILARITY)
        return {name: piece.sum(axis=1) for name, piece in zip(names, pieces, strict=False)}

    def logits(self, inner: np.ndarray, users: np.ndarray) -> np.ndarray:
        """What the softmax of training is taken over; the order of a user's items stays.

        Served vectors are of unit length, so an inner product is such a logit only up to a factor
        of each user. It can be read off the user's vector, whose last dimension was one before it
        was divided by its length.

        Args:
            inner: Inner products [B, n], or [B, k] of each user's own items.
            users: Unit vectors [B, dim].
        """
        if users.shape[1] == self.taste:  # taste alone, at one temperature for all
            return np.asarray(inner / np.float32(self.temperature))
        length = np.float32(math.sqrt(self.members + 1.0))
        return np.asarray(inner * length / np.maximum(users[:, -1:], _TINY))
