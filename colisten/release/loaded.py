"""A release in memory, answering by itself: numpy, ONNX Runtime and Arrow, no torch, no index.

A `LoadedRelease` never changes. Serving holds one per request, so an answer cannot mix two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import ReleaseCorrupt, ReleaseError
from colisten.evaluation.relative_logits import RelativeLogits
from colisten.evaluation.score_calibration import ScoreCalibration
from colisten.evaluation.score_rule import Activity
from colisten.features.seen import id_hashes
from colisten.features.transform import UserFeatureSpec
from colisten.features.users import UserBatch
from colisten.index.exact import ExactCollection
from colisten.index.filter import EVERY_ITEM, Filter, FilterColumns
from colisten.index.protocol import Hits, check_search, check_width
from colisten.models.onnx_tower import OnnxUserTower
from colisten.models.vector_layout import VectorLayout
from colisten.release.golden_set import GoldenSet
from colisten.release.manifest import Manifest
from colisten.release.neighbours import ItemNeighbours
from colisten.release.popular import PopularLists
from colisten.release.seen import SeenItems

# History vectors looked at together.
_BLOCK_ROWS = 16_384


@dataclass(frozen=True)
class Because:
    """Why an item is recommended.

    Attributes:
        item: Catalogue index of an item in the user's history.
        signal: What they did with it.
        similarity: Cosine of both items' history vectors, in (0, 1].
    """

    item: int
    signal: str
    similarity: float


@dataclass(frozen=True, eq=False)
class LoadedRelease:
    """Everything one request needs.

    Attributes:
        folder: Where it was read from.
        manifest: What it is.
        item_ids, item_types, titles: object [num_items], in catalogue order; a title may be None.
        target: Slice of the recommended items; item vectors are in this order.
        columns: What the recommended items are filtered by.
        tower: The user tower.
        item_vectors: float32 [n_target, dim], unit rows.
        popular_lists: What everyone listens to.
        seen: What each user had started as it was made.
        layout: What the columns of vectors are; None where its towers do not say.
        neighbours: The strongest edges of its graph; None where it holds none.
        calibration: What scores are worth as probabilities; None where it does not say.
    """

    folder: Path
    manifest: Manifest
    item_ids: np.ndarray
    item_types: np.ndarray
    titles: np.ndarray
    target: slice
    columns: FilterColumns
    tower: OnnxUserTower
    item_vectors: np.ndarray
    popular_lists: PopularLists
    seen: SeenItems
    layout: VectorLayout | None = None
    neighbours: ItemNeighbours | None = None
    calibration: ScoreCalibration | None = None

    @classmethod
    def load(cls, folder: Path, *, verify: bool = True, threads: int = 1) -> LoadedRelease:
        """Read a release folder.

        Args:
            folder: `releases/<release_id>`.
            verify: Compare every file with its digest first, which reads all of them.
            threads: Of ONNX Runtime.

        Raises:
            ReleaseCorrupt: A file differs from the manifest.
            ReleaseError: The parts do not fit each other.
        """
        manifest = Manifest.read(folder)
        if verify:
            manifest.check_files(folder)
        return cls.read(folder, manifest, threads=threads)

    @classmethod
    def read(cls, folder: Path, manifest: Manifest, *, threads: int = 1) -> LoadedRelease:
        """Read the parts that `manifest` describes; raises ReleaseError as `load` does."""
        try:
            table = parquet.read(folder / "items.parquet")
        except (OSError, pa.ArrowException) as error:
            raise ReleaseCorrupt(f"Cannot read {folder / 'items.parquet'}: {error}.") from error
        types = _objects(table, "item_type")
        rows = np.flatnonzero(types == manifest.target_type)
        target = slice(int(rows[0]), int(rows[-1]) + 1) if rows.size else slice(0, 0)
        tower = OnnxUserTower(folder, threads=threads)
        vectors = np.ascontiguousarray(tower.item_vectors)
        if len(vectors) != target.stop - target.start or len(tower.history_vectors) != len(table):
            raise ReleaseError(
                f"{folder} has {len(vectors)} item vectors for {target.stop - target.start} items "
                f"and {len(tower.history_vectors)} history vectors for {len(table)}.",
                "Publish towers and catalogue of one run.",
            )
        return cls(
            folder=folder,
            manifest=manifest,
            item_ids=_objects(table, "item_id"),
            item_types=types,
            titles=_objects(table, "title"),
            target=target,
            columns=FilterColumns(
                table.slice(target.start, len(vectors)).select(list(manifest.filterable))
            ),
            tower=tower,
            item_vectors=vectors,
            popular_lists=PopularLists.read(folder / "popular.parquet"),
            seen=SeenItems.read(folder),
            layout=VectorLayout.read(folder, tower.dim),
            neighbours=ItemNeighbours.read(folder, len(table), len(vectors)),
            calibration=ScoreCalibration.read(folder),
        )

    def in_memory(self) -> LoadedRelease:
        """The same, no part of which is mapped from a file that somebody may write."""
        vectors = np.array(self.item_vectors)
        self.tower.item_vectors = vectors
        self.tower.history_vectors = np.array(self.tower.history_vectors)
        neighbours = None if self.neighbours is None else self.neighbours.in_memory()
        seen = self.seen.in_memory()
        return replace(self, item_vectors=vectors, seen=seen, neighbours=neighbours)

    @property
    def release_id(self) -> str:
        """Its name."""
        return self.manifest.release_id

    @property
    def spec(self) -> UserFeatureSpec:
        """Meaning of the user tower's input."""
        return self.tower.spec

    @property
    def history_vectors(self) -> np.ndarray:
        """What user histories are means of, float32 [num_items, d]."""
        vectors: np.ndarray = self.tower.history_vectors
        return vectors

    def index_of(self, ids: Sequence[str] | np.ndarray | pa.Array) -> np.ndarray:
        """Catalogue index of each id, int64; -1 where the release has no such item."""
        plain = ids.to_pylist() if isinstance(ids, pa.Array) else ids
        return np.array([self._positions.get(item, -1) for item in plain], dtype=np.int64)

    def of_hashes(self, hashes: np.ndarray) -> np.ndarray:
        """Catalogue indices, int64, of the target items with these hashes (`id_hashes`)."""
        known, items = self._target_hashes
        places = np.searchsorted(known, hashes)
        inside = places < len(known)
        places, hashes = places[inside], hashes[inside]
        return np.asarray(items[places[known[places] == hashes]], dtype=np.int64)

    def user_vectors(self, batch: UserBatch) -> np.ndarray:
        """Unit vectors of B users, float32 [B, dim]."""
        return self.tower.user_vectors(batch)

    def scores(
        self, inner: Sequence[float], batch: UserBatch, vector: np.ndarray, row: int = 0
    ) -> list[float] | None:
        """Probabilities that a user starts some titles within the calibration's window.

        Args:
            inner: Inner products of the user's vector with those of k titles.
            batch: Users.
            vector: The user's unit vector [dim].
            row: Which of them.

        Returns:
            One a title, in the order of inner products; None where the release cannot say.
        """
        relative = self.relative_logits
        if self.calibration is None or relative is None:
            return None
        activity = Activity.of(batch, self.manifest.target_type).take(np.array([row]))
        logits = relative.of(np.asarray([inner], dtype=np.float32), vector[None])
        found: list[float] = self.calibration.rule.probabilities(logits, activity)[0].tolist()
        return found

    def exact(
        self,
        queries: np.ndarray,
        k: int,
        *,
        filter: Filter = EVERY_ITEM,
        deadline: float | None = None,
    ) -> Hits:
        """Exact search over this release's own vectors; arguments as `VectorIndex.search`."""
        check_search(queries, k, deadline)
        check_width(queries, self.item_vectors.shape[1], self.release_id)
        allowed = self._collection.allowed(filter)
        positions, scores = self._collection.search(queries, k, allowed, deadline)
        return [self._collection.ids[at].tolist() for at in positions], scores

    def allowed(self, filter: Filter) -> np.ndarray | None:
        """Which of the items that can be recommended pass, bool [n_target]; None where all do.

        Raises:
            FilterRefused: See `Filter.checked`.
        """
        return self._collection.allowed(filter)

    def popular(self, country: str | None = None) -> np.ndarray:
        """Catalogue index of every target item, most popular in `country` first, int64."""
        return self.popular_lists.of(country)

    def because(self, item: int, batch: UserBatch, row: int = 0) -> Because | None:
        """The event of a user's history whose item is nearest to a recommended one.

        Starts explain before other signals do: "because you listened to ..." must be true.

        Args:
            item: Catalogue index of the recommended item.
            batch: Users.
            row: Which of them.

        Returns:
            None where nothing in the history points the same way.
        """
        return self.because_each([item], batch, row)[0]

    def because_each(
        self, items: Sequence[int], batch: UserBatch, row: int = 0
    ) -> list[Because | None]:
        """`because` of each of k items, from one product of their vectors and the history's."""
        parts = [
            (history.items[events], history.signals[events])
            for history in batch.histories.values()
            for events in [slice(int(history.offsets[row]), int(history.offsets[row + 1]))]
        ]
        heard = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0, np.int64)
        found: list[Because | None] = [None] * len(items)
        if not heard.size or not found:
            return found
        signals = np.concatenate([part[1] for part in parts])
        # Each item once: events of one item are then exactly as near as each other.
        distinct, event_of = np.unique(heard, return_inverse=True)
        similarity = self.cosines(np.asarray(items, dtype=np.int64), distinct)
        # The latest of equals: it is the one the user remembers.
        latest = np.arange(len(heard))[::-1]
        for near in (latest[self.starts(signals[latest])], latest):
            if not near.size:
                continue
            cosines = similarity[:, event_of[near]]
            best = cosines.argmax(axis=1)
            for at, (event, cosine) in enumerate(
                zip(near[best].tolist(), cosines.max(axis=1).tolist(), strict=True)
            ):
                if found[at] is None and cosine > 0:
                    signal = self.spec.signals[int(signals[event])]
                    found[at] = Because(int(heard[event]), signal, min(1.0, cosine))
        return found

    def starts(self, signals: np.ndarray) -> np.ndarray:
        """Which signal codes [n] of a history count as a start, bool [n]."""
        return np.asarray(self._start_codes[signals], dtype=bool)

    def golden_set(self) -> GoldenSet:
        """The users whose answers are known."""
        return GoldenSet.read(self.folder)

    def cosines(self, items: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Cosine of the history vectors of items [k] and others [n], float32 [k, n]; 0 of none."""
        cosines: np.ndarray = self.history_vectors[items] @ self.history_vectors[others].T
        cosines *= self.scale[items, None] * self.scale[others]
        return cosines

    @cached_property
    def scale(self) -> np.ndarray:
        """One over the length of each item's history vector, float32 [num_items]; 0 of none."""
        vectors = self.history_vectors
        scale = np.zeros(len(vectors), dtype=np.float32)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            lengths = np.linalg.norm(vectors[start : start + _BLOCK_ROWS], axis=1)
            np.divide(1.0, lengths, out=scale[start : start + len(lengths)], where=lengths > 0)
        return scale

    @cached_property
    def relative_logits(self) -> RelativeLogits | None:
        """Inner products on the scale of `calibration`; None where its towers do not say."""
        if self.layout is None:
            return None
        popular = self.popular_lists.everywhere - self.target.start
        return RelativeLogits.over(self.layout, self.item_vectors, popular)

    @cached_property
    def _start_codes(self) -> np.ndarray:
        return np.array([name in self.manifest.start_signals for name in self.spec.signals])

    @cached_property
    def _target_hashes(self) -> tuple[np.ndarray, np.ndarray]:
        """Hashes of the target items, sorted, and the catalogue index of each."""
        hashes = id_hashes(self.item_ids[self.target])
        order = np.argsort(hashes)
        return hashes[order], order + self.target.start

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {item: at for at, item in enumerate(self.item_ids)}

    @cached_property
    def _collection(self) -> ExactCollection:
        return ExactCollection(
            self.item_ids[self.target],
            self.item_vectors,
            self.columns,
            np.arange(self.target.start, self.target.stop, dtype=np.int64),
        )


def _objects(table: pa.Table, name: str) -> np.ndarray:
    out = np.empty(len(table), dtype=object)
    out[:] = table.column(name).to_pylist()
    return out
