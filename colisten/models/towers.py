"""The two towers (paper section 3.4): features in, unit vectors of one shared space out.

A score is the inner product of a user's and an item's vector, in the loss, in evaluation, in
the index and in the service alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from colisten.config import TowerSettings
from colisten.errors import TrainingError

# A standardised input lies within this many standard deviations; beyond, it is cut. A column
# that is rare in training (one listener of a country) would otherwise swamp all others.
CLIP = 8.0
# Rows per call when many vectors are computed without gradients.
_BLOCK = 8192


class Tower(nn.Module):
    """Standardise, then an MLP beside one linear map, then unit length.

    The MLP's output layer starts at zero, so that training starts from the linear map and the
    MLP earns what it adds. Standardisation is held in buffers: the exported model takes the raw
    features of `encode_users` or `encode_items`.

    Args:
        width: Length of the feature vector.
        hidden: Sizes of the dense layers before the output.
        dim: Length of the output.
        dropout: Share of hidden activations dropped in training.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, hidden: Sequence[int], dim: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.dim = dim
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        sizes = (width, *hidden)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(sizes[-1], dim, bias=False)
        self.skip = nn.Linear(width, dim)
        nn.init.zeros_(self.out.weight)

    def standardise(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Set the input standardisation from per-column statistics [width] of training inputs.

        A column that never varies in training is switched off: its weights would stay random.
        """
        if mean.shape != (self.width,) or deviation.shape != (self.width,):
            raise TrainingError(
                f"Standardisation of {self.width} columns got statistics of shape "
                f"{mean.shape} and {deviation.shape}."
            )
        varies = deviation > 1e-6
        scale = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
        with torch.no_grad():
            self.mean.copy_(torch.from_numpy(mean.astype(np.float32)))
            self.scale.copy_(torch.from_numpy(scale.astype(np.float32)))

    def forward(self, features: Tensor) -> Tensor:
        """Vectors [B, dim] of unit length for features [B, width].

        Raises:
            TrainingError: `features` is not [B, width].
        """
        if features.ndim != 2 or features.shape[1] != self.width:
            raise TrainingError(
                f"{type(self).__name__} takes features [B, {self.width}], "
                f"not {list(features.shape)}.",
                "Encode them with the specification this tower was trained with.",
            )
        x = ((features - self.mean) * self.scale).clamp(-CLIP, CLIP)
        h = x
        for layer in self.layers:
            h = self.drop(torch.relu(layer(h)))
        return functional.normalize(self.skip(x) + self.out(h), dim=1)


class UserTower(Tower):
    """Country, age, music taste and history means to a user vector."""


class ItemTower(Tower):
    """Language, genres, text vector and z to an item vector."""


class TwoTowers(nn.Module):
    """Both towers and the learned temperature of their softmax.

    Args:
        user_width: Width of `UserFeatureSpec`.
        item_width: Width of `ItemFeatureSpec`.
        settings: Layer sizes, dropout and initial temperature.
    """

    def __init__(self, user_width: int, item_width: int, settings: TowerSettings) -> None:
        super().__init__()
        self.user = UserTower(user_width, settings.hidden, settings.dim, settings.dropout)
        self.item = ItemTower(item_width, settings.hidden, settings.dim, settings.dropout)
        self.log_temperature = nn.Parameter(torch.tensor(float(np.log(settings.temperature))))

    @property
    def temperature(self) -> Tensor:
        """Positive scalar, kept within [0.01, 1] so that a step cannot blow the softmax up."""
        return self.log_temperature.exp().clamp(0.01, 1.0)


def tower_vectors(tower: Tower, features: np.ndarray) -> np.ndarray:
    """A tower's unit vectors [B, dim] float32 for features [B, width], without dropout.

    Raises:
        TrainingError: `features` is not [B, width].
    """
    was_training = tower.training
    tower.eval()
    try:
        out = np.empty((len(features), tower.dim), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, max(len(features), 1), _BLOCK):
                block = np.ascontiguousarray(features[start : start + _BLOCK], dtype=np.float32)
                out[start : start + _BLOCK] = tower(torch.from_numpy(block)).numpy()
        return out
    finally:
        tower.train(was_training)


def user_vectors(towers: TwoTowers, features: np.ndarray) -> np.ndarray:
    """User vectors [B, dim] as training sees them; serving's ONNX tower must agree to 1e-5."""
    return tower_vectors(towers.user, features)
