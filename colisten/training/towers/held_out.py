"""Held-out examples as a release made just before them would meet them.

Evaluation asks a model that ends at a cut about the days after it: histories end at the cut, z
knows nothing later, popularity is that of the first day, and items already seen do not come again.
Epochs and the kNN term's weights are selected under exactly those terms, with the moment of the
first held-out row as the cut.
"""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colisten.features.popularity import day_of
from colisten.models.towers import TwoTowers
from colisten.training.towers.examples import TowerExamples

# Bounds on what one validation ranks.
_ROWS = 4096
_ITEMS = 20_000
_SCORES = 1 << 24


@dataclass(frozen=True, eq=False)
class HeldOut:
    """N examples and C candidates.

    Attributes:
        users: User tower inputs [N, width].
        items: Item tower inputs [C, dense width].
        popularity: Log popularity [C, prior_dim].
        own: The candidate of each example [N] int64.
        person: Which user each example is of [N] int64, counted from zero.
        hidden: Rows and columns of items that users have already seen, two [n] int64.
        warm: Which users have a history of the target type, bool [users].
    """

    users: Tensor
    items: Tensor
    popularity: Tensor
    own: Tensor
    person: Tensor
    hidden: tuple[Tensor, Tensor]
    warm: Tensor

    @classmethod
    def of(cls, examples: TowerExamples, rows: NDArray[np.int64]) -> HeldOut:
        """Held-out rows of some examples; users are evenly thinned where they are many.

        Users of whom nothing was known at the moment are left out, as evaluation does, unless
        nobody else is there.
        """
        as_of = int(examples.times[rows].min())
        most = min(_ROWS, max(1, _SCORES // min(examples.num_items, _ITEMS)))
        people = np.unique(examples.users.user_ids[rows], return_inverse=True)[1]
        rows = rows[people % max(1, -(-len(rows) // most)) == 0]
        users = examples.released_features(rows, as_of)
        columns = [examples.user_spec.history(kind).stop - 1 for kind in examples.user_spec.types]
        known = users[:, columns].any(axis=1)
        if known.any():
            rows, users = rows[known], users[known]
        spread = np.linspace(0, examples.num_items - 1, min(examples.num_items, _ITEMS))
        candidates = np.union1d(spread.round().astype(np.int64), examples.items[rows])
        at, seen = examples.seen_items(rows, as_of)
        place = np.minimum(np.searchsorted(candidates, seen), len(candidates) - 1)
        shown = candidates[place] == seen
        first = day_of(np.array([as_of]))
        person = np.unique(examples.users.user_ids[rows], return_inverse=True)[1]
        warm = np.zeros(int(person.max(initial=-1)) + 1, dtype=bool)
        warm[person] = users[:, columns[0]] > 0
        return cls(
            users=torch.from_numpy(users),
            items=torch.from_numpy(examples.released_items(candidates)),
            popularity=torch.from_numpy(examples.log_popularity(first, candidates)[0]),
            own=torch.from_numpy(np.searchsorted(candidates, examples.items[rows])),
            person=torch.from_numpy(person),
            hidden=(torch.from_numpy(at[shown]), torch.from_numpy(place[shown])),
            warm=torch.from_numpy(warm),
        )

    def logits(self, towers: TwoTowers) -> list[Tensor]:
        """Each member's logits [N, C] without kNN term."""
        return towers.logits(self.users, self.items, self.popularity)

    def knn_terms(self, towers: TwoTowers) -> list[Tensor]:
        """Each part of the kNN term at weight one, [N, C] in the order of `KnnTermLayout.names`."""
        knn_term = towers.user.knn_term
        if knn_term is None:
            return []
        items = knn_term.of_items(self.items, knn_term.centre(self.items))
        own = torch.split(items, list(knn_term.dims), dim=1)
        return [
            mean @ near.T
            for parts in knn_term.user_parts(self.users)
            for mean, near in zip(parts, own, strict=True)
        ]

    def hide(self, scores: Tensor) -> Tensor:
        """The same scores, with -inf for items that users have already seen."""
        return scores.index_put(self.hidden, scores.new_tensor(-torch.inf))

    def reciprocal_ranks(self, scores: Tensor) -> Tensor:
        """1 / rank of each user's best item [users] float64; among equal scores in the middle.

        One figure a user, as in evaluation: a heavy user counts no more than another.
        """
        own = scores.gather(1, self.own[:, None])
        # Itself among them: so many others are before it where chance orders the equal ones.
        above = ((scores > own).sum(dim=1) + (scores >= own).sum(dim=1) - 1) / 2
        best = torch.zeros(int(self.person.max()) + 1, dtype=torch.float64)
        return best.scatter_reduce(0, self.person, 1.0 / (above.double() + 1.0), "amax")
