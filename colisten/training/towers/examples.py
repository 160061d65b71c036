"""Training rows of the towers as examples: who, which item, and what both towers see of it.

An example is one moment at which a user chose an item. What the towers see comes from before
that moment (the rows are point-in-time), and from item vectors that were computed without the
events of the user's own fold: an edge of the co-listening graph that this very choice made would
carry the answer into the question (cross-fitting).

Beside its past, an example can be asked with its user's whole history up to the cut, less the
example's own item (leave one out). Users of a new content type have touched few items, and most
examples have next to no past; the whole history lets every pair of a user's items teach in both
directions. It is not what serving sees, so only a share of the examples is asked so, and none that
a model is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from colisten.data.catalogue import Catalogue
from colisten.errors import TrainingError
from colisten.features.popularity import DailyPopularity, day_of
from colisten.features.transform import UserFeatureSpec, encode_users
from colisten.features.users import UserBatch, UserFields
from colisten.graph.folds import fold_of
from colisten.logs import logger
from colisten.models.items import (
    ItemBlocks,
    ItemFeatureSpec,
    encode_static,
    join_items,
)
from colisten.training.towers.half_life import half_life_of_windows
from colisten.training.towers.rows import in_order, music_dim, rows_of, target_items
from colisten.training.towers.settings import TowersTraining

# User features up to this size are encoded once and kept; beyond it, batch by batch.
FEATURE_CACHE_BYTES = 1 << 30
_ENCODE_ROWS = 4096

log = logger("towers")


@dataclass(eq=False)
class TowerExamples:
    """N examples in order of time (then user and item), so that row order has no say.

    Attributes:
        users: What is known of each user at the moment, N rows.
        items: Chosen item [N] int64, counted from the start of the target type's slice.
        times: Microseconds since 1970 UTC [N] int64.
        folds: User fold [N] int64; all zero without cross-fitting.
        cross_fit: Whether fold versions of the blocks are used.
        user_spec: Columns of the user tower.
        item_spec: Columns of the item tower.
        blocks: Item vectors.
        target: Range of the target type's items in the catalogue.
        static: Item columns that no vector shapes [n_target, item_spec.static_width].
        popularity: Log popularity of the target items by day; None without a popularity
            prior.
        whole: Every user's history up to the cut; None where it is not known.
        whole_row: Row of `whole` that holds each example's user [N].
    """

    users: UserBatch
    items: NDArray[np.int64]
    times: NDArray[np.int64]
    folds: NDArray[np.int64]
    cross_fit: bool
    user_spec: UserFeatureSpec
    item_spec: ItemFeatureSpec
    blocks: ItemBlocks
    target: slice
    static: NDArray[np.float32]
    popularity: DailyPopularity | None = None
    whole: UserBatch | None = None
    whole_row: NDArray[np.int64] | None = None
    _cache: NDArray[np.float32] | None = None

    @classmethod
    def read(
        cls,
        rows: pa.Table,
        catalogue: Catalogue,
        blocks: ItemBlocks,
        settings: TowersTraining,
        whole: pa.Table | None = None,
    ) -> TowerExamples:
        """Take training rows apart and learn both feature specifications from them.

        `whole` are feature rows of every user as of the cut, for leave-one-out examples and to
        ask held-out ones as a release would.

        Raises:
            TrainingError: There is no row, a row's item is not of the target type, the blocks
                do not fit the catalogue, or a block lacks the fold versions cross-fitting needs.
            FeatureError: A feature column is missing or broken.
        """
        rows = in_order(rows)
        target = catalogue.slice_of(settings.data.target_type)
        items = target_items(rows, catalogue, blocks, settings.data.target_type)
        fields = UserFields.of(settings.data, music_dim(rows))
        users = UserBatch.from_table(rows, catalogue.index_of, fields)
        everything, whole_row = None, None
        if whole is not None:
            everything = UserBatch.from_table(whole, catalogue.index_of, fields)
            whole_row = rows_of(users.user_ids, everything.user_ids)
        cross_fit = _cross_fit(blocks, settings.towers.cross_fit)
        folds = fold_of(users.user_ids, blocks.num_folds) if cross_fit else np.zeros(len(items))
        user_spec, item_spec = _specs(users, fields, catalogue, blocks, settings)
        times = rows.column("timestamp").cast(pa.int64()).to_numpy()
        half_lives = settings.towers.prior_half_lives
        examples = cls(
            users=users,
            items=items,
            times=times,
            folds=np.asarray(folds, dtype=np.int64),
            cross_fit=cross_fit,
            user_spec=user_spec,
            item_spec=item_spec,
            blocks=blocks,
            target=target,
            static=encode_static(item_spec, catalogue, target),
            popularity=DailyPopularity(items, times, target.stop - target.start, half_lives)
            if half_lives
            else None,
            whole=everything,
            whole_row=whole_row,
        )
        if len(examples) * user_spec.width * 4 <= FEATURE_CACHE_BYTES:
            examples._cache = examples._encode(np.arange(len(examples)))
        return examples

    def __len__(self) -> int:
        return len(self.items)

    @property
    def cached(self) -> bool:
        """Whether user features are few enough to be kept."""
        return self._cache is not None

    @property
    def num_items(self) -> int:
        """Items of the target type."""
        return len(self.static)

    def user_features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """User tower inputs [n, user_spec.width] of some examples, each in its own fold."""
        if self._cache is not None:
            features: NDArray[np.float32] = self._cache[rows]
            return features
        return self._encode(rows)

    def left_out_features(
        self, rows: NDArray[np.int64], as_of: int | None = None
    ) -> NDArray[np.float32]:
        """User tower inputs of some examples with their users' whole history but the own item.

        Args:
            rows: Examples [n].
            as_of: Events at or after this moment (microseconds) are left out too; None keeps all
                before the cut.

        Returns:
            float32 [n, user_spec.width]; each in its own fold.
        """
        return self._encode(rows, self._left_out(rows, as_of))

    def released_features(self, rows: NDArray[np.int64], as_of: int) -> NDArray[np.float32]:
        """User tower inputs of some examples as a release made at `as_of` would see them.

        The history ends there, and z is from the graph as it was then (`ItemBlocks.z_validation`).
        Without whole histories it is that before the example itself.
        """
        users = self.users.take(rows) if self.whole is None else self._left_out(rows, as_of)
        return self._encode(rows, users, self.blocks.earlier())

    def released_items(self, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """Dense item tower inputs of some target items beside `released_features`."""
        vectors = self.blocks.earlier().rows(items + self.target.start)
        return join_items(self.item_spec, self.static[items], vectors)

    def seen_items(
        self, rows: NDArray[np.int64], as_of: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Items that users of some examples had seen by `as_of`, without the example's own.

        Returns:
            Position in `rows` [n] and target item [n], one entry an event.
        """
        users = self.users.take(rows) if self.whole is None else self._left_out(rows, as_of)
        history = users.histories[self.user_spec.types[0]]
        owner = np.repeat(np.arange(len(history)), history.counts)
        items = history.items - self.target.start
        other = (items != self.items[rows][owner]) & (history.times < as_of)
        return owner[other], items[other]

    def cold(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same inputs [n, width] without the history of the target type, where there is
        another; the rest stays."""
        first, *others = (self.user_spec.history(kind) for kind in self.user_spec.types)
        out = features.copy()
        known = out[:, [other.stop - 1 for other in others]].any(axis=1)
        out[known, first] = 0.0
        return out

    def _left_out(self, rows: NDArray[np.int64], as_of: int | None) -> UserBatch:
        """Whole histories of some examples' users, less the example's own item."""
        if self.whole is None or self.whole_row is None:
            raise TrainingError(
                "Leave-one-out examples need every user's history as of the cut.",
                "Pass it as `whole`, or set towers.leave_one_out=0.",
            )
        batch = self.whole.take(self.whole_row[rows])
        own = self.items[rows] + self.target.start
        histories = {}
        for name, history in batch.histories.items():
            owner = np.repeat(np.arange(len(history)), history.counts)
            kept = history.items != own[owner]
            if as_of is not None:
                kept &= history.times < as_of
            histories[name] = history.where(kept)
        return replace(batch, histories=histories)

    def log_popularity(
        self, days: NDArray[np.int64], items: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Log popularity [D, C, prior_dim] of target items (None: all) at the start of days."""
        if self.popularity is None:
            count = self.num_items if items is None else len(items)
            return np.zeros((len(days), count, 0), dtype=np.float32)
        return self.popularity.at(days, items)

    def half_life(self, days: int) -> int:
        """Which half-life of popularity foretells so many days; see `half_life_of_windows`."""
        if self.popularity is None:
            return 0
        return half_life_of_windows(self.popularity, self.items, self.times, days)

    def served_popularity(self) -> NDArray[np.float32]:
        """Log popularity [n_target, prior_dim] on the day after the last example."""
        served: NDArray[np.float32] = self.log_popularity(day_of(self.times[-1:]) + 1)[0]
        return served

    def item_features(self, items: NDArray[np.int64], fold: int | None) -> NDArray[np.float32]:
        """Dense item tower inputs [n, item_spec.dense_width] of some target items.

        Args:
            items: Positions in the target slice [n].
            fold: Whose examples they are for; None for serving.
        """
        if not self.cross_fit:
            fold = None
        vectors = self.blocks.rows(items + self.target.start, fold)
        return join_items(self.item_spec, self.static[items], vectors)

    def batches(
        self, rows: NDArray[np.int64], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """`rows` in random batches of about `size`, each within one user fold.

        The items of one batch then all come from the same fold's vectors. A fold's rows are dealt
        evenly, so that none is left over in a tiny batch.
        """
        dealt: list[NDArray[np.int64]] = []
        for fold in np.unique(self.folds[rows]):
            members = rng.permutation(rows[self.folds[rows] == fold])
            dealt += np.array_split(members, max(1, round(len(members) / size)))
        order = rng.permutation(len(dealt))
        return [dealt[at] for at in order]

    def item_shares(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Share of `rows` that are about each target item [n_target] float32."""
        counts = np.bincount(self.items[rows], minlength=self.num_items)
        return (counts / max(len(rows), 1)).astype(np.float32)

    def _encode(
        self,
        rows: NDArray[np.int64],
        users: UserBatch | None = None,
        blocks: ItemBlocks | None = None,
    ) -> NDArray[np.float32]:
        """Encode examples; `users` says otherwise what is known of them, row by row.

        Each example sees its own fold's vectors, or, with `blocks`, those of serving.
        """
        batch = self.users.take(rows) if users is None else users
        out = np.empty((len(rows), self.user_spec.width), dtype=np.float32)
        folds = self.folds[rows] if blocks is None else np.zeros(len(rows), dtype=np.int64)
        for fold in np.unique(folds):
            members = np.flatnonzero(folds == fold)
            own = int(fold) if self.cross_fit and blocks is None else None
            for start in range(0, len(members), _ENCODE_ROWS):
                at = members[start : start + _ENCODE_ROWS]
                out[at] = self._encode_within(batch.take(at), own, blocks or self.blocks)
        return out

    def _encode_within(
        self, batch: UserBatch, fold: int | None, blocks: ItemBlocks
    ) -> NDArray[np.float32]:
        """Encode examples of one fold, gathering only the item vectors that they need."""
        needed, position = np.unique(
            np.concatenate([history.items for history in batch.histories.values()]),
            return_inverse=True,
        )
        histories, start = {}, 0
        for name, history in batch.histories.items():
            stop = start + len(history.items)
            histories[name] = replace(history, items=position[start:stop])
            start = stop
        vectors = blocks.rows(needed, fold)
        return encode_users(self.user_spec, replace(batch, histories=histories), vectors)


def _specs(
    users: UserBatch,
    fields: UserFields,
    catalogue: Catalogue,
    blocks: ItemBlocks,
    settings: TowersTraining,
) -> tuple[UserFeatureSpec, ItemFeatureSpec]:
    user_spec = UserFeatureSpec.fit(
        users,
        settings.data,
        settings.features,
        vector_dim=sum(blocks.dims.values()),
        types=fields.types,
    )
    item_spec = ItemFeatureSpec.fit(
        catalogue,
        settings.data.target_type,
        blocks.dims,
        max_languages=settings.towers.max_languages,
        max_genres=settings.towers.max_genres,
        popularity_half_lives=settings.towers.prior_half_lives,
    )
    return user_spec, item_spec


def _cross_fit(blocks: ItemBlocks, wanted: bool) -> bool:
    if blocks.z is None:
        return False
    if not wanted:
        log.warning("training without cross-fitting: z has seen the answers")
        return False
    if blocks.z_folds is None:
        raise TrainingError(
            "z has no fold versions, so a training example would see item vectors shaped by its "
            "own answer.",
            "Compute z per user fold, or set towers.cross_fit=false to train with the leak.",
        )
    return True
