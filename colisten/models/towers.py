"""The two towers (paper section 3.4): features in, unit vectors of one shared space out.

A score is the inner product of a user's and an item's vector, in evaluation, in the index and in
the service alike. Beside the paper's inner product of tastes, the default adds a **popularity
prior**: log popularity of the item at several half-lives, each times a weight that the user tower
gives to this user. It costs a few more dimensions and stays one inner product:

    user = [o_u, side_scale * w_u, 0] / length,   item = [o_i, p_i, sqrt(1 - |p_i|^2)] / sqrt(2)

with p_i the item's centred log popularity, scaled into the unit ball. The last dimension of
an item fills its length up to one and meets a zero, so all vectors are of unit length and the order
of a user's items is that of `o_u . o_i / temperature + w_u . popularity_i`. The **kNN term**
(`colisten.models.knn_term`) lies beside popularity in the same way, with its own weights.
"""

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
from colisten.models.knn_term import KnnTermLayout
from colisten.settings.sections import TowerSettings

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
        prior_dim: Half-lives of the popularity prior, H; 0 for none.
        linear_skip: Whether there is the linear map; without it the MLP starts at random.
        knn_term: Where the kNN term's inputs lie; None for no kNN term.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        width: int,
        hidden: Sequence[int],
        dim: int,
        dropout: float,
        prior_dim: int = 0,
        linear_skip: bool = True,
        knn_term: KnnTermLayout | None = None,
    ) -> None:
        super().__init__()
        self.width = width
        self.taste_dim = dim
        self.prior_dim = prior_dim
        self.knn_term = knn_term if knn_term is not None and knn_term.dim else None
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
        """Dimensions beside taste: popularity and kNN term."""
        return self.prior_dim + (self.knn_term.dim if self.knn_term else 0)

    @property
    def input_width(self) -> int:
        """Columns that `forward` takes."""
        return self.width

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
        side_scale: Temperature times the scale of popularity and kNN term, set by
            `TwoTowers.fit_to_catalogue`.
        knn_weights: Weights of the kNN term [types, blocks], set by `TwoTowers.fit_to_catalogue`.
    """

    side_scale: Tensor
    knn_weights: Tensor

    def __init__(
        self,
        width: int,
        hidden: Sequence[int],
        dim: int,
        dropout: float,
        prior_dim: int = 0,
        linear_skip: bool = True,
        knn_term: KnnTermLayout | None = None,
    ) -> None:
        super().__init__(width, hidden, dim, dropout, prior_dim, linear_skip, knn_term)
        if self.side:
            self.register_buffer("side_scale", torch.ones(()))
        if self.knn_term:
            shape = (len(self.knn_term.means), len(self.knn_term.dims))
            self.register_buffer("knn_weights", torch.zeros(shape))
        if prior_dim:
            self.prior = nn.Linear(self.out.in_features, prior_dim, bias=False)
            self.prior_skip = nn.Linear(width, prior_dim)
            nn.init.zeros_(self.prior.weight)
            nn.init.zeros_(self.prior_skip.weight)
            nn.init.constant_(self.prior_skip.bias, _FIRST_WEIGHT)

    def parts(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Taste vectors [B, taste_dim] and popularity weights [B, prior_dim]."""
        taste, x, h = self.taste(features)
        if not self.prior_dim:
            return taste, taste[:, :0]
        return taste, self.prior(h) + self.prior_skip(x)

    def forward(self, features: Tensor) -> Tensor:
        """Vectors [B, dim] of unit length for features [B, width].

        Raises:
            TrainingError: `features` is not [B, width].
        """
        taste, beside = self.parts(features)
        if not self.side:
            return taste
        if self.knn_term:
            heard = self.knn_term.of_users(features, self.knn_weights)
            beside = torch.cat([beside, heard], dim=1)
        whole = torch.cat([taste, beside * self.side_scale, torch.zeros_like(taste[:, :1])], dim=1)
        return functional.normalize(whole, dim=1)


class ItemTower(Tower):
    """Language, genres, text, z and popularity to an item vector; see `Tower` for arguments.

    Attributes:
        level: Mean log popularity [prior_dim], set by `TwoTowers.fit_to_catalogue`.
        knn_centre: Mean vector of the catalogue [knn_term.dim], set by
            `TwoTowers.fit_to_catalogue`.
        item_scale: Factor that brings the farthest item to the unit sphere.
    """

    level: Tensor
    knn_centre: Tensor
    item_scale: Tensor

    def __init__(
        self,
        width: int,
        hidden: Sequence[int],
        dim: int,
        dropout: float,
        prior_dim: int = 0,
        linear_skip: bool = True,
        knn_term: KnnTermLayout | None = None,
    ) -> None:
        super().__init__(width, hidden, dim, dropout, prior_dim, linear_skip, knn_term)
        if prior_dim:
            self.register_buffer("level", torch.zeros(prior_dim))
        if self.knn_term:
            self.register_buffer("knn_centre", torch.zeros(self.knn_term.dim))
        if self.side:
            self.register_buffer("item_scale", torch.ones(()))

    @property
    def input_width(self) -> int:
        """Columns that `forward` takes: those of the MLP, then the log popularities."""
        return self.width + self.prior_dim

    def parts(self, features: Tensor) -> Tensor:
        """Taste vectors [B, taste_dim] for features [B, width], popularity not among them."""
        return self.taste(features)[0]

    def forward(self, features: Tensor) -> Tensor:
        """Vectors [B, dim] of unit length for features [B, width + prior_dim].

        Raises:
            TrainingError: `features` is not [B, width + prior_dim].
        """
        self._check(features, self.input_width)
        taste = self.parts(features[:, : self.width])
        if not self.side:
            return taste
        beside = self.beside(features) * self.item_scale
        rest = 1.0 - (beside * beside).sum(dim=1, keepdim=True)
        whole = torch.cat([taste, beside, rest.clamp(min=0.0).sqrt()], dim=1)
        return functional.normalize(whole, dim=1)

    def beside(self, features: Tensor) -> Tensor:
        """Centred popularity and kNN term [B, side], before they are scaled."""
        parts = []
        if self.prior_dim:
            parts.append(features[:, self.width :] - self.level)
        if self.knn_term:
            parts.append(self.knn_term.of_items(features, self.knn_centre))
        return torch.cat(parts, dim=1)


class TwoTowers(nn.Module):
    """Both towers and the learned temperature of their softmax.

    Args:
        user_width: Width of `UserFeatureSpec`.
        item_width: Dense width of `ItemFeatureSpec`, without popularity.
        settings: Layer sizes, dropout, initial temperature and half-lives of the popularity prior.
        knn_term: Where the kNN term's inputs lie; None for no kNN term.
    """

    def __init__(
        self,
        user_width: int,
        item_width: int,
        settings: TowerSettings,
        knn_term: KnnTermLayout | None = None,
    ) -> None:
        super().__init__()
        shape = (settings.hidden, settings.dim, settings.dropout)
        prior_dim, skip = len(settings.prior_half_lives), settings.linear_skip
        self.user = UserTower(user_width, *shape, prior_dim, skip, knn_term)
        self.item = ItemTower(item_width, *shape, prior_dim, skip, knn_term)
        self.log_temperature = nn.Parameter(torch.tensor(float(np.log(settings.temperature))))

    @property
    def temperature(self) -> Tensor:
        """Positive scalar, kept within [0.01, 1] so that a step cannot blow the softmax up."""
        return self.log_temperature.exp().clamp(0.01, 1.0)

    def fit_to_catalogue(self, items: NDArray[np.float32], knn_term: Sequence[float] = ()) -> None:
        """Fit the towers' last dimensions to the catalogue that will be served.

        Args:
            items: Item tower inputs of every target item [n, input_width] as of the release.
            knn_term: Weight of each part of the kNN term, as in `KnnTermLayout.names`; empty for
                none.
        """
        if not self.item.side:
            return
        features = torch.from_numpy(np.ascontiguousarray(items, dtype=np.float32))
        with torch.no_grad():
            if self.item.prior_dim:
                popularity = features[:, self.item.width :].double()
                self.item.level.copy_(popularity.mean(dim=0))
            if self.item.knn_term:
                self.item.knn_centre.copy_(self.item.knn_term.centre(features))
                if len(knn_term):
                    weights = torch.tensor(list(knn_term)).view_as(self.user.knn_weights)
                    self.user.knn_weights.copy_(weights)
            beside = self.item.beside(features).double()
            farthest = max(float(beside.square().sum(dim=1).max().sqrt()) * _MARGIN, _TINY)
            self.item.item_scale.fill_(1.0 / farthest)
            self.user.side_scale.copy_(self.temperature * farthest)


def tower_vectors(tower: Tower, features: NDArray[np.float32]) -> NDArray[np.float32]:
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


def user_vectors(towers: TwoTowers, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """User vectors [B, dim] as training sees them; serving's ONNX tower must agree to 1e-5."""
    return tower_vectors(towers.user, features)
