"""The two towers (paper section 3.4): features in, unit vectors of one shared space out.

A score is the inner product of a user's and an item's vector, in evaluation, in the index and in
the service alike. Each tower has one or more **members**, trained side by side on the same rows,
whose logits are averaged: where there is a graph, half of them do not see it, so that a graph that
misleads is outvoted and one that helps is heard. Beside the paper's inner product of tastes, the
default adds a **popularity prior** (log popularity of the item at several half-lives, each times a
weight that the user tower gives to this user), a **kNN term** and a **transfer term**
(`colisten.models.knn_term`), and lets taste give way to popularity by kind of user
(`colisten.models.score_weights`). All of it stays one inner product:

    user = [a m_1 o_u1 / T_1, ..., side_scale (a w_u + f_u), 0, 1] / length
    item = [o_i1, ..., p_i, sqrt(1 - |p_i|^2), 0] / length

with a the share of taste for this kind of user, m_k the share of member k, T_k its temperature, w_u
its weights of popularity and kNN term, f_u what does not pass through taste, and p_i the item's
centred log popularity and own vectors, scaled into the unit ball. The last dimension but one of an
item fills its length and meets a zero, so all item vectors are as long before they are divided; the
last of a user, which meets a zero too, tells by what its logits were divided.
"""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from colisten.errors import TrainingError
from colisten.models.knn_term import KnnTermLayout
from colisten.models.member import Member, UserMember
from colisten.models.score_weights import KINDS, ScoreWeights
from colisten.settings.towers import TowerSettings

# Rows per call when many vectors are computed without gradients.
_BLOCK = 8192
_TINY = 1e-6
# The farthest item stays this much inside the unit ball: at its border the root that fills a
# length up would turn rounding into a difference.
_MARGIN = 1.1


class Tower(nn.Module):
    """Members side by side, and room for what is served beside taste.

    Args:
        width: Columns that the members read.
        settings: Layer sizes, dropout, members and half-lives of the popularity prior.
        knn_term: Where the inputs of kNN and transfer term lie; None for neither.
    """

    def __init__(
        self, width: int, settings: TowerSettings, knn_term: KnnTermLayout | None = None
    ) -> None:
        super().__init__()
        self.width = width
        self.taste_dim = settings.members * settings.dim
        self.prior_dim = len(settings.prior_half_lives)
        self.knn_term = knn_term if knn_term is not None and knn_term.dim else None
        self.members = nn.ModuleList(self._member(settings) for _ in range(settings.members))

    def _member(self, settings: TowerSettings) -> Member:
        shape = (self.width, settings.hidden, settings.dim, settings.dropout)
        return Member(*shape, settings.linear_skip)

    @property
    def dim(self) -> int:
        """Length of the vectors that `forward` gives."""
        return self.taste_dim + self.side + 2 if self.side else self.taste_dim

    @property
    def side(self) -> int:
        """Dimensions beside taste: popularity, kNN and transfer term."""
        return self.prior_dim + (self.knn_term.dim if self.knn_term else 0)

    @property
    def input_width(self) -> int:
        """Columns that `forward` takes."""
        return self.width

    def tastes(self, features: Tensor) -> list[Tensor]:
        """Each member's taste vectors [B, dim] of unit length, for features [B, width].

        Raises:
            TrainingError: `features` is not [B, width].
        """
        self._check(features, self.width)
        return [cast(Member, each).taste(features)[0] for each in self.members]

    def _check(self, features: Tensor, width: int) -> None:
        if features.ndim != 2 or features.shape[1] != width:
            raise TrainingError(
                f"{type(self).__name__} takes features [B, {width}], not {list(features.shape)}.",
                "Encode them with the specification this tower was trained with.",
            )


class UserTower(Tower):
    """Country, age, music taste and history means to a user vector; see `Tower` for arguments.

    All buffers are set by `TwoTowers.fit_to_catalogue`.

    Attributes:
        warm_column: Input column that says whether there is a history of the target type.
        member_scale: What each member's taste is multiplied by [members].
        side_scale: What brings popularity, kNN and transfer term to the scale of taste.
        taste: Share of taste for cold and for warm users [2].
        floor: Weights of plain popularity for them [2, prior_dim].
        knn_weights: Weights of kNN and transfer term for them [2, types, blocks].
    """

    member_scale: Tensor
    side_scale: Tensor
    taste: Tensor
    floor: Tensor
    knn_weights: Tensor

    def __init__(
        self,
        width: int,
        settings: TowerSettings,
        knn_term: KnnTermLayout | None = None,
        warm_column: int = 0,
    ) -> None:
        super().__init__(width, settings, knn_term)
        self.warm_column = warm_column
        members = settings.members
        self.register_buffer("member_scale", torch.full((members,), 1.0 / members))
        if self.side:
            self.register_buffer("side_scale", torch.ones(()))
            self.register_buffer("taste", torch.ones(len(KINDS)))
            self.register_buffer("floor", torch.zeros(len(KINDS), self.prior_dim))
        if self.knn_term:
            shape = (len(KINDS), len(self.knn_term.means), len(self.knn_term.dims))
            self.register_buffer("knn_weights", torch.zeros(shape))

    def _member(self, settings: TowerSettings) -> UserMember:
        shape = (self.width, settings.hidden, settings.dim, settings.dropout)
        return UserMember(*shape, settings.linear_skip, self.prior_dim)

    def parts(self, features: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Each member's taste vectors [B, dim] and popularity weights [B, prior_dim]."""
        self._check(features, self.width)
        return [cast(UserMember, each).parts(features) for each in self.members]

    def forward(self, features: Tensor) -> Tensor:
        """Vectors [B, dim] of unit length for features [B, width].

        Raises:
            TrainingError: `features` is not [B, width].
        """
        parts = self.parts(features)
        taste = torch.cat(
            [taste * scale for (taste, _), scale in zip(parts, self.member_scale, strict=True)],
            dim=1,
        )
        if not self.side:
            return functional.normalize(taste, dim=1)
        warm = features[:, self.warm_column : self.warm_column + 1]
        share = _of_kind(self.taste[:, None], warm)
        sides = []
        if self.prior_dim:
            prior = torch.stack([weights for _, weights in parts]).mean(dim=0)
            sides.append(share * prior + _of_kind(self.floor, warm))
        if self.knn_term:
            cold, known = (
                self.knn_term.of_users(features, self.knn_weights[kind])
                for kind in range(len(KINDS))
            )
            sides.append(cold + warm * (known - cold))
        one = torch.ones_like(warm)
        beside = torch.cat(sides, dim=1) * self.side_scale
        return functional.normalize(torch.cat([share * taste, beside, 0.0 * one, one], 1), dim=1)


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
        self, width: int, settings: TowerSettings, knn_term: KnnTermLayout | None = None
    ) -> None:
        super().__init__(width, settings, knn_term)
        if self.prior_dim:
            self.register_buffer("level", torch.zeros(self.prior_dim))
        if self.knn_term:
            self.register_buffer("knn_centre", torch.zeros(self.knn_term.dim))
        if self.side:
            self.register_buffer("item_scale", torch.ones(()))

    @property
    def input_width(self) -> int:
        """Columns that `forward` takes: those of the members, then the log popularities."""
        return self.width + self.prior_dim

    def forward(self, features: Tensor) -> Tensor:
        """Vectors [B, dim] of unit length for features [B, width + prior_dim].

        Raises:
            TrainingError: `features` is not [B, width + prior_dim].
        """
        self._check(features, self.input_width)
        tastes = self.tastes(features[:, : self.width])
        if not self.side:
            return functional.normalize(torch.cat(tastes, dim=1), dim=1)
        beside = self.beside(features) * self.item_scale
        rest = 1.0 - (beside * beside).sum(dim=1, keepdim=True)
        filled = rest.clamp(min=0.0).sqrt()
        return functional.normalize(torch.cat([*tastes, beside, filled, 0.0 * rest], dim=1), dim=1)

    def beside(self, features: Tensor) -> Tensor:
        """Centred popularity, kNN and transfer term [B, side], before they are scaled."""
        parts = []
        if self.prior_dim:
            parts.append(features[:, self.width :] - self.level)
        if self.knn_term:
            parts.append(self.knn_term.of_items(features, self.knn_centre))
        return torch.cat(parts, dim=1)


class TwoTowers(nn.Module):
    """Both towers and the learned temperatures of their members' softmax.

    Args:
        user_width: Width of `UserFeatureSpec`.
        item_width: Dense width of `ItemFeatureSpec`, without popularity.
        settings: Layer sizes, dropout, members, initial temperature and half-lives of the
            popularity prior.
        knn_term: Where the inputs of kNN and transfer term lie; None for neither.
        warm_column: User column that says whether there is a history of the target type.

    Attributes:
        blind: Which members do not see the graph.
    """

    def __init__(
        self,
        user_width: int,
        item_width: int,
        settings: TowerSettings,
        knn_term: KnnTermLayout | None = None,
        warm_column: int = 0,
    ) -> None:
        super().__init__()
        self.user = UserTower(user_width, settings, knn_term, warm_column)
        self.item = ItemTower(item_width, settings, knn_term)
        start = torch.full((settings.members,), float(np.log(settings.temperature)))
        self.log_temperature = nn.Parameter(start)
        self.blind = (False,) * settings.members
        # A loss that learns no temperature knows inner products only.
        self.tempered = settings.learns_logits

    @property
    def temperature(self) -> Tensor:
        """Of each member [members], kept within [0.01, 1] so that no step can blow a softmax up."""
        return self.log_temperature.exp().clamp(0.01, 1.0)

    @property
    def members(self) -> int:
        """How many pairs of towers vote."""
        return len(self.user.members)

    def logits(self, users: Tensor, items: Tensor, popularity: Tensor) -> list[Tensor]:
        """Each member's logits [B, n]: taste at its temperature, and the popularity prior.

        Args:
            users: User inputs [B, width].
            items: Dense item inputs [n, width].
            popularity: Log popularity [n, prior_dim].
        """
        return [
            taste @ own.T / temperature + weights @ popularity.T
            for (taste, weights), own, temperature in zip(
                self.user.parts(users), self.item.tastes(items), self.temperature, strict=True
            )
        ]

    def fit_to_catalogue(
        self, items: NDArray[np.float32], weights: ScoreWeights | None = None
    ) -> None:
        """Fit the towers' last dimensions to the catalogue that will be served.

        Args:
            items: Item tower inputs of every target item [n, input_width] as of the release.
            weights: How much each part of a score counts; None for taste and prior alone.
        """
        weights = weights or ScoreWeights.plain(self.members, self.user.prior_dim)
        with torch.no_grad():
            shares = torch.tensor(weights.members)
            self.user.member_scale.copy_(shares / self.temperature if self.tempered else shares)
            if self.item.side:
                self._fit_side(torch.from_numpy(np.ascontiguousarray(items, np.float32)), weights)

    def shorten(self) -> None:
        """Leave out the blocks of kNN and transfer term that have no weight for any user.

        Inner products stay as they are: a user's vector is zero there, and an item's is filled up
        to its length in a dimension that meets a zero as well.
        """
        term = self.user.knn_term
        if term is None:
            return
        heard = (self.user.knn_weights != 0).flatten(0, 1).any(dim=0)
        kept = [name for name, weighs in zip(term.blocks, heard.tolist(), strict=True) if weighs]
        if not kept and not self.user.prior_dim:
            return  # the last two dimensions stand beside others only
        columns = torch.repeat_interleave(heard, torch.tensor(term.dims))
        self.user.knn_weights = self.user.knn_weights[:, :, heard]
        self.item.knn_centre = self.item.knn_centre[columns]
        if not kept:
            del self.user.knn_weights, self.item.knn_centre
        for tower in (self.user, self.item):
            tower.knn_term = term.of_blocks(kept) if kept else None

    def _fit_side(self, features: Tensor, weights: ScoreWeights) -> None:
        if self.item.prior_dim:
            popularity = features[:, self.item.width :].double()
            self.item.level.copy_(popularity.mean(dim=0))
        self.user.taste.copy_(torch.tensor(weights.taste))
        self.user.floor.copy_(torch.tensor(weights.floor).view_as(self.user.floor))
        if self.item.knn_term:
            self.item.knn_centre.copy_(self.item.knn_term.centre(features))
            if weights.knn:
                given = torch.tensor(weights.of_terms()).view_as(self.user.knn_weights)
                self.user.knn_weights.copy_(given)
        beside = self.item.beside(features).double()
        farthest = max(float(beside.square().sum(dim=1).max().sqrt()) * _MARGIN, _TINY)
        self.item.item_scale.fill_(1.0 / farthest)
        self.user.side_scale.fill_(farthest)


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


def _of_kind(rows: Tensor, warm: Tensor) -> Tensor:
    """The row of cold or of warm users for each user, [B, n] for rows [2, n] and warm [B, 1]."""
    return rows[:1] + warm * (rows[1:] - rows[:1])
