"""What the item tower sees of an item, and the item vectors that user histories are means of.

Item inputs are blocks of vectors: "text" is computed from titles and descriptions, "z" by the
HGNN from the co-listening graph, "factors" are that graph's leading eigenvectors, "transfer" ties
the other types to the recommended one. The model without a graph has text alone; nothing else
changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from colisten.data.catalogue import Catalogue
from colisten.errors import TrainingError

# The blocks that towers pass on to kNN and transfer term and do not learn from, in their order.
UNLEARNED = ("factors", "transfer")


@dataclass(frozen=True, eq=False)
class ItemBlocks:
    """Named input vectors of every item, in the order of the catalogue.

    Attributes:
        text: Text vectors [num_items, d] float32; an item without text has a zero row.
        z: HGNN vectors [num_items, dim] float32; None for the model without graph.
        z_folds: [folds, num_items, dim] float32, may be memory-mapped: version k comes from the
            graph without the events of user fold k, for cross-fitting.
        z_validation: [num_items, dim] float32, from the graph as it was when the held-out rows
            begin: what a release made then would serve. None validates with z itself.
        factors: Co-listening factors [num_items, f] float32; None for none. Only the kNN term sees
            them: a tower that learned from them would learn its own examples by heart.
        factors_validation: Factors [num_items, f] of the graph of `z_validation`.
        transfer: What a history of the other types says of target items [num_items, t] float32
            (`colisten.training.towers.transfer`); None for none.
        transfer_validation: The same as of the moment when the held-out rows begin.

    Raises:
        TrainingError: Shapes disagree, or there are fold versions of no z.
    """

    text: NDArray[np.float32]
    z: NDArray[np.float32] | None = None
    z_folds: NDArray[np.float32] | None = None
    z_validation: NDArray[np.float32] | None = None
    factors: NDArray[np.float32] | None = None
    factors_validation: NDArray[np.float32] | None = None
    transfer: NDArray[np.float32] | None = None
    transfer_validation: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for name, block in self.inputs.items():
            if block.ndim != 2 or len(block) != self.num_items:
                raise TrainingError(
                    f"Item block '{name}' has shape {block.shape}; a block is [num_items, d], "
                    f"and 'text' has {self.num_items} items."
                )
        for name, now, earlier in (
            ("z", self.z, self.z_validation),
            ("factors", self.factors, self.factors_validation),
            ("transfer", self.transfer, self.transfer_validation),
        ):
            shape = None if now is None else now.shape
            if earlier is not None and earlier.shape != shape:
                raise TrainingError(
                    f"Earlier {name} has shape {earlier.shape} beside {name} of shape {shape}."
                )
        base = None if self.z is None else self.z.shape
        folds = None if self.z_folds is None else self.z_folds.shape
        if folds is not None and (len(folds) != 3 or not folds[0] or folds[1:] != base):
            raise TrainingError(
                f"Fold versions of z have shape {folds}; they are [folds, num_items, dim] beside "
                f"z of shape {base}."
            )

    def earlier(self) -> ItemBlocks:
        """The blocks that a release made before the held-out rows would have."""
        return ItemBlocks(
            self.text,
            self.z if self.z_validation is None else self.z_validation,
            factors=self.factors if self.factors_validation is None else self.factors_validation,
            transfer=self.transfer
            if self.transfer_validation is None
            else self.transfer_validation,
        )

    @property
    def inputs(self) -> dict[str, NDArray[np.float32]]:
        """The blocks of serving by name: "text" and, with a graph, "z", "factors", "transfer"."""
        named = {
            "text": self.text,
            "z": self.z,
            "factors": self.factors,
            "transfer": self.transfer,
        }
        return {name: block for name, block in named.items() if block is not None}

    @property
    def num_items(self) -> int:
        """Items in every block."""
        return len(self.text)

    @property
    def num_folds(self) -> int:
        """User folds of the fold versions; 0 where there are none."""
        return 0 if self.z_folds is None else len(self.z_folds)

    @property
    def dims(self) -> dict[str, int]:
        """Length of each block's vectors, in order."""
        return {name: int(block.shape[1]) for name, block in self.inputs.items()}

    def history_vectors(self, fold: int | None = None) -> NDArray[np.float32]:
        """All blocks side by side, [num_items, d] float32.

        User history means are taken over these rows, and the item tower's vector input is the
        item's own row.

        Args:
            fold: Use vectors computed without this user fold's events; None for serving.
        """
        return np.concatenate(self._blocks(fold), axis=1, dtype=np.float32)

    def rows(self, index: NDArray[np.int64], fold: int | None = None) -> NDArray[np.float32]:
        """`history_vectors(fold)[index]` [n, d], without building the rest of it."""
        blocks = [block[index] for block in self._blocks(fold)]
        return np.concatenate(blocks, axis=1, dtype=np.float32)

    def _blocks(self, fold: int | None) -> list[NDArray[np.float32]]:
        blocks = self.inputs
        if fold is not None and self.z_folds is not None:
            blocks["z"] = self.z_folds[fold]
        return list(blocks.values())


class ItemFeatureSpec(BaseModel):
    """How an item of the target type becomes a row of numbers; written to JSON.

    Columns in order: one-hot language (known ones, other, none), multi-hot genres (known ones,
    other, none), one flag a block that says the item's vector is all zero, the blocks, then log
    popularity at each half-life of the popularity prior.

    Attributes:
        target_type: Item type that is encoded.
        languages: Languages with a column, most frequent first.
        genres: Genres with a column, most frequent first.
        blocks: Length of each block, by name, in order.
        popularity_half_lives: Days, one column of log popularity each, behind the blocks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_type: str
    languages: tuple[str, ...]
    genres: tuple[str, ...]
    blocks: dict[str, int]
    popularity_half_lives: tuple[float, ...] = ()

    @classmethod
    def fit(
        cls,
        catalogue: Catalogue,
        target_type: str,
        blocks: Mapping[str, int],
        *,
        max_languages: int,
        max_genres: int,
        popularity_half_lives: Sequence[float] = (),
    ) -> ItemFeatureSpec:
        """Take the vocabularies from the catalogue's items of the target type.

        Args:
            catalogue: Items as of the cut.
            target_type: Item type that is recommended.
            blocks: `ItemBlocks.dims`.
            max_languages: Languages that get a column; the others share one.
            max_genres: Genres that get a column; the others share one.
            popularity_half_lives: Half-lives of the popularity prior; none without one.
        """
        target = catalogue.slice_of(target_type)
        languages = _languages(catalogue, target)
        genres = _genres(catalogue, target)
        return cls(
            target_type=target_type,
            languages=_vocabulary((one for one in languages if one), max_languages),
            genres=_vocabulary((one for some in genres for one in some), max_genres),
            blocks=dict(blocks),
            popularity_half_lives=tuple(popularity_half_lives),
        )

    @property
    def static_width(self) -> int:
        """Columns that depend on the catalogue alone."""
        return len(self.languages) + 2 + len(self.genres) + 2

    @property
    def dense_width(self) -> int:
        """Columns that the tower's layers read."""
        return self.static_width + len(self.blocks) + sum(self.blocks.values())

    @property
    def unlearned(self) -> NDArray[np.int64]:
        """Dense columns [n] int64 that the tower's layers are blind to: those of `UNLEARNED`."""
        return self.columns_of(UNLEARNED)

    def columns_of(self, names: Collection[str]) -> NDArray[np.int64]:
        """Dense columns [n] int64 of some blocks: vectors, and flags where there is none."""
        columns: list[int] = []
        flag, start = self.static_width, self.static_width + len(self.blocks)
        for name, dim in self.blocks.items():
            if name in names:
                columns += [flag, *range(start, start + dim)]
            flag, start = flag + 1, start + dim
        return np.array(columns, dtype=np.int64)

    @property
    def width(self) -> int:
        """Columns of an encoded item."""
        return self.dense_width + len(self.popularity_half_lives)


def encode_items(
    spec: ItemFeatureSpec,
    catalogue: Catalogue,
    target: slice,
    vectors: NDArray[np.float32],
    popularity: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The item tower's input for a range of items, [n_target, spec.width] float32.

    Args:
        spec: Columns.
        catalogue: Where languages and genres come from; all of them may be null.
        target: Range of item indices that is encoded.
        vectors: `ItemBlocks.history_vectors`, [num_items, d]; rows may be all zero.
        popularity: Log popularity [n_target, H] at the specification's half-lives; None where it
            has none.

    Raises:
        TrainingError: `vectors` or `popularity` do not fit the catalogue or the specification.
    """
    if vectors.shape != (catalogue.num_items, sum(spec.blocks.values())):
        raise TrainingError(
            f"Item vectors have shape {vectors.shape}; the catalogue and specification ask for "
            f"({catalogue.num_items}, {sum(spec.blocks.values())})."
        )
    dense = join_items(spec, encode_static(spec, catalogue, target), vectors[target])
    if popularity is None:
        popularity = np.zeros((len(dense), 0), dtype=np.float32)
    if popularity.shape != (len(dense), len(spec.popularity_half_lives)):
        raise TrainingError(
            f"Popularity has shape {popularity.shape}; the specification asks for "
            f"({len(dense)}, {len(spec.popularity_half_lives)})."
        )
    return np.concatenate([dense, popularity], axis=1, dtype=np.float32)


def encode_static(
    spec: ItemFeatureSpec, catalogue: Catalogue, target: slice
) -> NDArray[np.float32]:
    """The columns that no vector shapes, [n_target, spec.static_width] float32."""
    count = len(range(*target.indices(catalogue.num_items)))
    out = np.zeros((count, spec.static_width), dtype=np.float32)
    column_of = {name: at for at, name in enumerate(spec.languages)}
    other, none = len(column_of), len(column_of) + 1
    for row, language in enumerate(_languages(catalogue, target)):
        out[row, column_of.get(language, other) if language else none] = 1.0
    offset = len(column_of) + 2
    column_of = {name: at + offset for at, name in enumerate(spec.genres)}
    other, none = offset + len(column_of), offset + len(column_of) + 1
    for row, genres in enumerate(_genres(catalogue, target)):
        for genre in genres or (None,):
            out[row, none if genre is None else column_of.get(genre, other)] = 1.0
    return out


def join_items(
    spec: ItemFeatureSpec, static: NDArray[np.float32], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Static columns [n, static_width] and vectors [n, d], [n, spec.dense_width]."""
    absent = np.empty((len(vectors), len(spec.blocks)), dtype=np.float32)
    start = 0
    for at, dim in enumerate(spec.blocks.values()):
        absent[:, at] = ~vectors[:, start : start + dim].any(axis=1)
        start += dim
    return np.concatenate([static, absent, vectors], axis=1, dtype=np.float32)


def _vocabulary(values: Iterable[str], most: int) -> tuple[str, ...]:
    counts = Counter(values)
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    return tuple(ranked[:most])


def _languages(catalogue: Catalogue, target: slice) -> list[str | None]:
    return [value.strip() or None if value else None for value in catalogue.languages[target]]


def _genres(catalogue: Catalogue, target: slice) -> list[list[str]]:
    values = catalogue.table.column("genres").to_pylist()[target]
    return [sorted({one.strip() for one in some or () if one and one.strip()}) for some in values]
