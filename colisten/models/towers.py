"""The two towers (paper section 3.4): features in, unit vectors of one shared space out.

A score is the inner product of a user's and an item's vector, in evaluation, in the index and in
the service alike. Beside the paper's inner product of tastes, the default adds a **popularity
gate**: log popularity of the item at several half-lives, each times a weight that the user tower
gives to this user. It costs a few more dimensions and stays one inner product:

    user = [o_u, reach * w_u, 0] / length,   item = [o_i, p_i, sqrt(1 - |p_i|^2)] / sqrt(2)

with p_i the item's centred log popularity, scaled into the unit ball. The last dimension of
an item fills its length up to one and meets a zero, so all vectors are of unit length and the order
of a user's items is that of `o_u . o_i / temperature + w_u . popularity_i`. The **echo**
(`colisten.models.echo`) lies beside popularity in the same way, with its own weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from colisten.errors import TrainingError
from colisten.models.echo import EchoLayout
from colisten.sections import TowerSettings

# A standardised input lies within this many standard deviations; beyond, it is cut. A column
# that is rare in training (one listener of a country) would otherwise swamp all others.
CLIP = 8.0
# Rows per call when many vectors are computed without gradients.
_BLOCK = 8192
# Weight of each half-life before anything is learned.
_FIRST_WEIGHT = 0.2
_TINY = 1e-6
# The farthest item stays this much inside the unit ball: at its border the root that fills a
# length up would turn rounding into a difference.
_MARGIN = 1.1


class Tower(nn.Module):
    """Standardise, then an MLP beside one linear map, then unit length.

    The MLP's output layer starts at zero, so that training starts from the linear map and the
    MLP earns what it adds. Standardisation is held in buffers: the exported model takes the raw
    features of `encode_users` or `encode_items`.

    Args:
        width: Columns that the MLP reads.
        hidden: Sizes of the dense layers before the output.
        dim: Length of the taste vector.
        dropout: Share of hidden activations dropped in training.
        gates: Half-lives of the popularity gate, H; 0 for none.
        linear_skip: Whether there is the linear map; without it the MLP starts at random.
        echo: Where the echo's inputs lie; None for no echo.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        width: int,
        hidden: Sequence[int],
        dim: int,
        dropout: float,
        gates: int = 0,
        linear_skip: bool = True,
        echo: EchoLayout | None = None,
    ) -> None:
        super().__init__()
        self.width = width
        self.taste_dim = dim
        self.gates = gates
        self.echo = echo if echo is not None and echo.dim else None
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        sizes = (width, *hidden)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(sizes[-1], dim, bias=False)
        self.skip = nn.Linear(width, dim) if linear_skip else None
        if linear_skip:
            nn.init.zeros_(self.out.weight)

    @property
    def dim(self) -> int:
        """Length of the vectors that `forward` gives."""
        return self.taste_dim + self.side + 1 if self.side else self.taste_dim

    @property
    def side(self) -> int:
        """Dimensions beside taste: popularity and echo."""
        return self.gates + (self.echo.dim if self.echo else 0)

    @property
    def input_width(self) -> int:
        """Columns that `forward` takes."""
        return self.width

    def standardise(self, mean: np.ndarray, deviation: np.ndarray) -> None:
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
        """Taste vectors [B, taste_dim] of unit length, standardised input, last hidden layer.

        Raises:
            TrainingError: `features` is not [B, width].
        """
        self._check(features, self.width)
        x = ((features - self.mean) * self.scale).clamp(-CLIP, CLIP)
        h = x
        for layer in self.layers:
            h = self.drop(torch.relu(layer(h)))
        deep = self.out(h)
        return functional.normalize(deep if self.skip is None else self.skip(x) + deep, dim=1), x, h

    def _check(self, features: Tensor, width: int) -> None:
        if features.ndim != 2 or features.shape[1] != width:
            raise TrainingError(
                f"{type(self).__name__} takes features [B, {width}], not {list(features.shape)}.",
                "Encode them with the specification this tower was trained with.",
            )


class UserTower(Tower):
    """Country, age, music taste and history means to a user vector; see `Tower` for arguments.

    Attributes:
        reach: Temperature times the scale of popularity and echo, set by `TwoTowers.seal`.
        echo_weights: Weights of the echo [types, blocks], set by `TwoTowers.seal`.
    """

    reach: Tensor
    echo_weights: Tensor

    def __init__(
        self,
        width: int,
        hidden: Sequence[int],
        dim: int,
        dropout: float,
        gates: int = 0,
        linear_skip: bool = True,
        echo: EchoLayout | None = None,
    ) -> None:
        super().__init__(width, hidden, dim, dropout, gates, linear_skip, echo)
        if self.side:
            self.register_buffer("reach", torch.ones(()))
        if self.echo:
            shape = (len(self.echo.means), len(self.echo.dims))
            self.register_buffer("echo_weights", torch.zeros(shape))
        if gates:
            self.gate = nn.Linear(self.out.in_features, gates, bias=False)
            self.gate_skip = nn.Linear(width, gates)
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate_skip.weight)
            nn.init.constant_(self.gate_skip.bias, _FIRST_WEIGHT)

    def parts(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Taste vectors [B, taste_dim] and popularity weights [B, gates]."""
        taste, x, h = self.taste(features)
        if not self.gates:
            return taste, taste[:, :0]
        return taste, self.gate(h) + self.gate_skip(x)

    def forward(self, features: Tensor) -> Tensor:
        """Vectors [B, dim] of unit length for features [B, width].

        Raises:
            TrainingError: `features` is not [B, width].
        """
        taste, beside = self.parts(features)
        if not self.side:
            return taste
        if self.echo:
            heard = self.echo.of_users(features, self.echo_weights)
            beside = torch.cat([beside, heard], dim=1)
        whole = torch.cat([taste, beside * self.reach, torch.zeros_like(taste[:, :1])], dim=1)
        return functional.normalize(whole, dim=1)


class ItemTower(Tower):
    """Language, genres, text, z and popularity to an item vector; see `Tower` for arguments.

    Attributes:
        level: Mean log popularity [gates], set by `TwoTowers.seal`.
        echo_centre: Mean vector of the catalogue [echo.dim], set by `TwoTowers.seal`.
        shrink: Factor that brings the farthest item to the unit sphere.
    """

    level: Tensor
    echo_centre: Tensor
    shrink: Tensor

    def __init__(
        self,
        width: int,
        hidden: Sequence[int],
        dim: int,
        dropout: float,
        gates: int = 0,
        linear_skip: bool = True,
        echo: EchoLayout | None = None,
    ) -> None:
        super().__init__(width, hidden, dim, dropout, gates, linear_skip, echo)
        if gates:
            self.register_buffer("level", torch.zeros(gates))
        if self.echo:
            self.register_buffer("echo_centre", torch.zeros(self.echo.dim))
        if self.side:
            self.register_buffer("shrink", torch.ones(()))

    @property
    def input_width(self) -> int:
        """Columns that `forward` takes: those of the MLP, then the log popularities."""
        return self.width + self.gates

    def parts(self, features: Tensor) -> Tensor:
        """Taste vectors [B, taste_dim] for features [B, width], popularity not among them."""
        return self.taste(features)[0]

    def forward(self, features: Tensor) -> Tensor:
        """Vectors [B, dim] of unit length for features [B, width + gates].

        Raises:
            TrainingError: `features` is not [B, width + gates].
        """
        self._check(features, self.input_width)
        taste = self.parts(features[:, : self.width])
        if not self.side:
            return taste
        beside = self.beside(features) * self.shrink
        rest = 1.0 - (beside * beside).sum(dim=1, keepdim=True)
        whole = torch.cat([taste, beside, rest.clamp(min=0.0).sqrt()], dim=1)
        return functional.normalize(whole, dim=1)

    def beside(self, features: Tensor) -> Tensor:
        """Centred popularity and echo [B, side], before they are shrunk."""
        parts = []
        if self.gates:
            parts.append(features[:, self.width :] - self.level)
        if self.echo:
            parts.append(self.echo.of_items(features, self.echo_centre))
        return torch.cat(parts, dim=1)


class TwoTowers(nn.Module):
    """Both towers and the learned temperature of their softmax.

    Args:
        user_width: Width of `UserFeatureSpec`.
        item_width: Dense width of `ItemFeatureSpec`, without popularity.
        settings: Layer sizes, dropout, initial temperature and half-lives of the gate.
        echo: Where the echo's inputs lie; None for no echo.
    """

    def __init__(
        self,
        user_width: int,
        item_width: int,
        settings: TowerSettings,
        echo: EchoLayout | None = None,
    ) -> None:
        super().__init__()
        shape = (settings.hidden, settings.dim, settings.dropout)
        gates, skip = len(settings.gate_half_lives), settings.linear_skip
        self.user = UserTower(user_width, *shape, gates, skip, echo)
        self.item = ItemTower(item_width, *shape, gates, skip, echo)
        self.log_temperature = nn.Parameter(torch.tensor(float(np.log(settings.temperature))))

    @property
    def temperature(self) -> Tensor:
        """Positive scalar, kept within [0.01, 1] so that a step cannot blow the softmax up."""
        return self.log_temperature.exp().clamp(0.01, 1.0)

    def seal(self, items: np.ndarray, echo: Sequence[float] = ()) -> None:
        """Fit the towers' last dimensions to the catalogue that will be served.

        Args:
            items: Item tower inputs of every target item [n, input_width] as of the release.
            echo: Weight of each part of the echo, as in `EchoLayout.names`; empty for none.
        """
        if not self.item.side:
            return
        features = torch.from_numpy(np.ascontiguousarray(items, dtype=np.float32))
        with torch.no_grad():
            if self.item.gates:
                popularity = features[:, self.item.width :].double()
                self.item.level.copy_(popularity.mean(dim=0))
            if self.item.echo:
                self.item.echo_centre.copy_(self.item.echo.centre(features))
                if len(echo):
                    weights = torch.tensor(list(echo)).view_as(self.user.echo_weights)
                    self.user.echo_weights.copy_(weights)
            beside = self.item.beside(features).double()
            farthest = max(float(beside.square().sum(dim=1).max().sqrt()) * _MARGIN, _TINY)
            self.item.shrink.fill_(1.0 / farthest)
            self.user.reach.copy_(self.temperature * farthest)


def tower_vectors(tower: Tower, features: np.ndarray) -> np.ndarray:
    """A tower's unit vectors [B, dim] float32 for features [B, input_width], without dropout.

    Raises:
        TrainingError: `features` is not [B, input_width].
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
