"""One member of a tower: standardise, then an MLP beside one linear map, then unit length."""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from colisten.errors import TrainingError

# A standardised input lies within this many standard deviations; beyond, it is cut. A column
# that is rare in training (one listener of a country) would otherwise swamp all others.
CLIP = 8.0
# Weight of each half-life before anything is learned.
_FIRST_WEIGHT = 0.2
_TINY = 1e-6


class Member(nn.Module):
    """A taste vector from features.

    The MLP's output layer starts at zero, so that training starts from the linear map and the
    MLP earns what it adds. Standardisation is held in buffers: the exported model takes the raw
    features of `encode_users` or `encode_items`.

    Args:
        width: Columns that are read.
        hidden: Sizes of the dense layers before the output.
        dim: Length of the taste vector.
        dropout: Share of hidden activations dropped in training.
        linear_skip: Whether there is the linear map; without it the MLP starts at random.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        width: int,
        hidden: Sequence[int],
        dim: int,
        dropout: float,
        linear_skip: bool = True,
    ) -> None:
        super().__init__()
        self.width = width
        self.dim = dim
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        sizes = (width, *hidden)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(sizes[-1], dim, bias=False)
        self.skip = nn.Linear(width, dim) if linear_skip else None
        if linear_skip:
            nn.init.zeros_(self.out.weight)

    def standardise(self, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> None:
        """Set the input standardisation from per-column statistics [width] of training inputs.

        A column that never varies in training is switched off: its weights would stay random.
        """
        if mean.shape != (self.width,) or deviation.shape != (self.width,):
            raise TrainingError(
                f"Standardisation of {self.width} columns got statistics of shape "
                f"{mean.shape} and {deviation.shape}."
            )
        varies = deviation > _TINY
        scale = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
        with torch.no_grad():
            self.mean.copy_(torch.from_numpy(mean.astype(np.float32)))
            self.scale.copy_(torch.from_numpy(scale.astype(np.float32)))

    def taste(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Taste vectors [B, dim] of unit length, standardised input, last hidden layer."""
        x = ((features - self.mean) * self.scale).clamp(-CLIP, CLIP)
        h = x
        for layer in self.layers:
            h = self.drop(torch.relu(layer(h)))
        deep = self.out(h)
        return functional.normalize(deep if self.skip is None else self.skip(x) + deep, dim=1), x, h


class UserMember(Member):
    """A member of the user tower, which also weighs popularity for each user.

    Args:
        width, hidden, dim, dropout, linear_skip: As of `Member`.
        prior_dim: Half-lives of the popularity prior, H; 0 for none.
    """

    def __init__(
        self,
        width: int,
        hidden: Sequence[int],
        dim: int,
        dropout: float,
        linear_skip: bool = True,
        prior_dim: int = 0,
    ) -> None:
        super().__init__(width, hidden, dim, dropout, linear_skip)
        self.prior_dim = prior_dim
        if prior_dim:
            self.prior = nn.Linear(self.out.in_features, prior_dim, bias=False)
            self.prior_skip = nn.Linear(width, prior_dim)
            nn.init.zeros_(self.prior.weight)
            nn.init.zeros_(self.prior_skip.weight)
            nn.init.constant_(self.prior_skip.bias, _FIRST_WEIGHT)

    def parts(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Taste vectors [B, dim] and popularity weights [B, prior_dim]."""
        taste, x, h = self.taste(features)
        if not self.prior_dim:
            return taste, taste[:, :0]
        return taste, self.prior(h) + self.prior_skip(x)
