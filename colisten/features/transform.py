"""From what is known of users to the numbers that the user tower reads (paper section 3.4).

One function serves training and the online service, so a user's features cannot differ between
them. An event's weight is its signal's weight times 0.5^(age / half-life), its age counted from
the user's newest event of that type: a mean does not change when every weight is multiplied, so
the clock, and any other common reference moment, has no say in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from colisten.errors import FeatureError
from colisten.features.users import History, UserBatch, UserFields
from colisten.settings.data import DataSettings
from colisten.settings.sections import FeatureSettings

MAX_VALUES = 64  # of a category that have a column of their own
MICROSECONDS_PER_DAY = 86_400 * 1_000_000
_TINY = 1e-12
FARTHEST = 100.0  # deviations

NotNegative = Annotated[int, Field(ge=0)]
Scale = Annotated[float, Field(gt=0)]


class UserFeatureSpec(BaseModel):
    """What the columns of `encode_users` mean; written to JSON beside the tower.

    Attributes:
        countries: Countries with a column of their own, most frequent first.
        age_mean, age_scale: Years; an age enters as (age - mean) / scale.
        music_mean, music_scale: [M] each; M is 0 where there are no music vectors.
        types: Item types whose histories are read, the recommended one first.
        half_life_days: Half-life of an event's weight.
        signals: Names of the signals, in the order of their codes.
        signal_weights: Weight of each of them.
        vector_dim: Columns of `history_vectors`.
        categories: As `countries`, of each further column of texts.
        numbers: Mean and scale of each further column of numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    countries: tuple[str, ...]
    age_mean: float
    age_scale: Scale
    music_mean: tuple[float, ...]
    music_scale: tuple[Scale, ...]
    types: tuple[str, ...]
    half_life_days: Scale
    # Releases of before signals had names of their own hold these four.
    signals: tuple[str, ...] = ("stream", "follow", "preview", "intent_to_pay")
    signal_weights: tuple[float, ...]
    vector_dim: NotNegative
    categories: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, tuple[float, Scale]] = {}

    @classmethod
    def fit(
        cls,
        batch: UserBatch,
        data: DataSettings,
        features: FeatureSettings,
        *,
        vector_dim: int,
        types: Sequence[str],
    ) -> UserFeatureSpec:
        """Learn countries and scales from training users.

        Args:
            batch: Training rows.
            data: `signals` and `user_features` are used.
            features: `half_life_days` is used.
            vector_dim: Columns of the history vectors.
            types: Item types, the recommended one first.

        Raises:
            FeatureError: `batch` has no user, or lacks a type.
        """
        if not len(batch):
            raise FeatureError("No users to learn feature scales from.")
        missing = [name for name in types if name not in batch.histories]
        if missing:
            raise FeatureError(f"The users have no histories of {missing}.")
        age_mean, age_scale = _scales(batch.ages[:, None])
        music_mean, music_scale = _scales(batch.music)
        return cls(
            countries=_frequent(batch.countries),
            age_mean=age_mean[0],
            age_scale=age_scale[0],
            music_mean=music_mean,
            music_scale=music_scale,
            types=tuple(types),
            half_life_days=features.half_life_days,
            signals=data.signal_names,
            signal_weights=tuple(data.signals.values()),
            vector_dim=vector_dim,
            categories={name: _frequent(batch.further[name]) for name in data.user_categories},
            numbers={
                name: tuple(part[0] for part in _scales(batch.further[name][:, None]))
                for name in data.user_numbers
            },
        )

    @property
    def fields(self) -> UserFields:
        """What must be known of users to encode them."""
        return UserFields(
            self.types, self.signals, self.music_dim, tuple(self.categories), tuple(self.numbers)
        )

    @property
    def music_dim(self) -> int:
        """Length of a music vector; 0 where there are none."""
        return len(self.music_mean)

    @property
    def width(self) -> int:
        """Columns of `encode_users`."""
        music = self.music_dim + 1 if self.music_dim else 0
        further = sum(len(known) + 1 for known in self.categories.values()) + 2 * len(self.numbers)
        histories = len(self.types) * (self.vector_dim + 2)
        return len(self.countries) + 1 + 2 + further + music + histories

    def history(self, item_type: str) -> slice:
        """Columns of a type's history: its mean, log count and whether there is any.

        A user without that history has zeros in all of them.
        """
        size = self.vector_dim + 2
        start = self.width - (len(self.types) - self.types.index(item_type)) * size
        return slice(start, start + size)

    def names(self) -> list[str]:
        """The name of each column, [width]."""
        names = [f"country_{country}" for country in self.countries]
        names += ["country_other", "age", "age_missing"]
        for column, known in self.categories.items():
            names += [f"{column}_{value}" for value in known] + [f"{column}_other"]
        for column in self.numbers:
            names += [column, f"{column}_missing"]
        if self.music_dim:
            names += [f"music_{at}" for at in range(self.music_dim)] + ["music_missing"]
        for item_type in self.types:
            names += [f"{item_type}_mean_{at}" for at in range(self.vector_dim)]
            names += [f"{item_type}_log_count", f"{item_type}_any"]
        return names


def encode_users(
    spec: UserFeatureSpec, batch: UserBatch, history_vectors: np.ndarray
) -> np.ndarray:
    """The user tower's input.

    A row depends on its own user alone, never on the others in the batch. All values are finite.

    Args:
        spec: What `UserFeatureSpec.fit` learned.
        batch: B users.
        history_vectors: float32 [num_items, spec.vector_dim], of the release that serves; a
            zero row (an item without text or graph) counts for nothing in a mean.

    Returns:
        float32 [B, spec.width], columns as in `spec.names()`: country one-hot (the last for
        unknown and rare ones); age and its missing flag; further categories and numbers in the
        same manner; music vector and its missing flag; per type the unit-length weighted mean of
        the history's vectors (zeros without history), log1p of the number of events, and whether
        there is any.

    Raises:
        FeatureError: Vectors, music or histories do not fit the spec.
    """
    _check(spec, batch, history_vectors)
    vectors = np.asarray(history_vectors)
    out = np.zeros((len(batch), spec.width), dtype=np.float32)
    blocks = [
        _one_hot(batch.countries, spec.countries),
        _scaled(batch.ages[:, None], [spec.age_mean], [spec.age_scale]),
    ]
    nobody = np.full(len(batch), None, dtype=object)
    for name, known in spec.categories.items():
        blocks.append(_one_hot(batch.further.get(name, nobody), known))
    for name, (mean, scale) in spec.numbers.items():
        values = np.asarray(batch.further.get(name, nobody), dtype=np.float32)
        blocks.append(_scaled(values[:, None], [mean], [scale]))
    if spec.music_dim:
        blocks.append(_scaled(batch.music, spec.music_mean, spec.music_scale))
    at = 0
    for block in blocks:
        out[:, at : at + len(block)] = block.T
        at += len(block)

    for item_type in spec.types:
        history = batch.histories[item_type]
        out[:, at : at + spec.vector_dim] = _means(spec, history, vectors)
        at += spec.vector_dim
        out[:, at] = np.log1p(history.counts)
        out[:, at + 1] = history.counts > 0
        at += 2
    return out


@lru_cache(maxsize=256)
def _positions(known: tuple[str, ...]) -> dict[str, int]:
    return {value: position for position, value in enumerate(known)}


def _one_hot(values: np.ndarray, known: tuple[str, ...]) -> np.ndarray:
    """Which of the known values each is, the last for any other, float32 [len(known) + 1, B]."""
    column = _positions(known)
    out = np.zeros((len(known) + 1, len(values)), dtype=np.float32)
    out[[column.get(value, len(known)) for value in values], np.arange(len(values))] = 1.0
    return out


def _frequent(values: np.ndarray) -> tuple[str, ...]:
    """The most frequent known values, at most `MAX_VALUES`, ties by name."""
    counted = Counter(value for value in values if value is not None)
    return tuple(sorted(counted, key=lambda value: (-counted[value], value))[:MAX_VALUES])


def _means(spec: UserFeatureSpec, history: History, vectors: np.ndarray) -> np.ndarray:
    """Unit-length weighted means, float32 [B, vector_dim]; zero where there is nothing to mean."""
    means = np.zeros((len(history), spec.vector_dim), dtype=np.float32)
    weights = _weights(spec, history)
    offsets = history.offsets.tolist()
    # One product a user: its bits then depend on that user's events alone, it needs no memory
    # beyond one history, and it is faster than np.add.reduceat over rows.
    for user in np.flatnonzero(history.counts).tolist():
        events = slice(offsets[user], offsets[user + 1])
        means[user] = weights[events] @ vectors[history.items[events]]
    norms = np.sqrt(np.einsum("bd,bd->b", means, means, dtype=np.float64))
    alive = norms > _TINY
    means[alive] /= norms[alive, None].astype(np.float32)
    means[~alive] = 0.0
    return means


def _weights(spec: UserFeatureSpec, history: History) -> np.ndarray:
    """Weight of each event, float32 [n]; the weights of one user sum to one or are all zero."""
    if not len(history.items):
        return np.zeros(0, np.float32)
    filled = np.flatnonzero(history.counts)
    starts, counts = history.offsets[:-1][filled], history.counts[filled]
    newest = np.maximum.reduceat(history.times, starts)
    days = (np.repeat(newest, counts) - history.times) / MICROSECONDS_PER_DAY
    weights = np.asarray(spec.signal_weights)[history.signals] * np.exp2(
        -days / spec.half_life_days
    )
    totals = np.add.reduceat(weights, starts)
    weights /= np.repeat(np.where(totals > 0, totals, 1.0), counts)
    return np.asarray(weights, dtype=np.float32)


def _scaled(values: np.ndarray, mean: Sequence[float], scale: Sequence[float]) -> np.ndarray:
    """Scaled values, within bounds, and a missing flag, float32 [M + 1, B]; a row with a gap is all
    missing.
    """
    known = np.isfinite(values).all(axis=1)
    out = np.zeros((values.shape[1] + 1, len(values)), dtype=np.float32)
    # A user far from all that was learned from must not overflow the tower.
    scaled = (values[known].astype(np.float64) - np.asarray(mean)) / np.asarray(scale)
    out[:-1, known] = np.clip(scaled, -FARTHEST, FARTHEST).T
    out[-1] = ~known
    return out


def _scales(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each column over its complete rows; (0, 1) where there is none."""
    known = values[np.isfinite(values).all(axis=1)].astype(np.float64)
    if not len(known):
        return (0.0,) * values.shape[1], (1.0,) * values.shape[1]
    spread = known.std(axis=0)
    return (
        tuple(known.mean(axis=0).tolist()),
        tuple(np.where(spread > _TINY, spread, 1.0).tolist()),
    )


def _check(spec: UserFeatureSpec, batch: UserBatch, vectors: np.ndarray) -> None:
    if vectors.ndim != 2 or vectors.shape[1] != spec.vector_dim:
        raise FeatureError(
            f"History vectors are {vectors.shape}, the features want [num_items, "
            f"{spec.vector_dim}].",
            "Take spec and vectors from one release.",
        )
    if batch.music.shape[1] != spec.music_dim:
        raise FeatureError(
            f"Music vectors are {batch.music.shape[1]} long, the features want {spec.music_dim}."
        )
    for item_type in spec.types:
        if item_type not in batch.histories:
            raise FeatureError(f"The users have no {item_type} histories.")
        items = batch.histories[item_type].items
        if items.size and not (items.min() >= 0 and items.max() < len(vectors)):
            raise FeatureError(
                f"The {item_type} histories name an item outside the {len(vectors)} vectors.",
                "Take catalogue and vectors from one release.",
            )
