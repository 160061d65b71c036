"""The one feature transform: finite, clock-free, and the same for a user in any company."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from colisten.errors import FeatureError
from colisten.features.transform import MICROSECONDS_PER_DAY, UserFeatureSpec, encode_users
from colisten.features.users import History, UserBatch
from colisten.settings.data import DataSettings
from colisten.settings.sections import FeatureSettings
from colisten.settings.tree import Settings
from tests.conftest import SIGNALS

TYPES = ("audiobook", "podcast")
NUM_ITEMS, DIM = 30, 8
SETTINGS = Settings()


def vectors(seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(NUM_ITEMS, DIM)).astype(np.float32)
    drawn[::7] = 0.0
    return drawn


def history(counts: list[int], rng: np.random.Generator) -> History:
    total = sum(counts)
    times = rng.integers(0, 900 * MICROSECONDS_PER_DAY, total)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    for start, end in itertools.pairwise(offsets):
        times[start:end].sort()
    return History(
        offsets,
        rng.integers(0, NUM_ITEMS, total),
        rng.integers(0, len(SIGNALS), total).astype(np.int8),
        times,
    )


def users(counts: list[int], *, music_dim: int = 3, seed: int = 0) -> UserBatch:
    rng = np.random.default_rng(seed)
    size = len(counts)
    ages = rng.uniform(16, 80, size).astype(np.float32)
    ages[::3] = np.nan
    music = rng.normal(size=(size, music_dim)).astype(np.float32)
    music[1::4] = np.nan
    return UserBatch(
        np.array([f"u{at}" for at in range(size)], dtype=object),
        rng.choice(np.array(["SE", "DE", None], dtype=object), size),
        ages,
        music,
        {name: history(counts if at else counts[::-1], rng) for at, name in enumerate(TYPES)},
    )


def fit(batch: UserBatch, settings: Settings = SETTINGS) -> UserFeatureSpec:
    return UserFeatureSpec.fit(batch, settings.data, settings.features, vector_dim=DIM, types=TYPES)


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    seed=st.integers(0, 1000),
    music_dim=st.sampled_from([0, 3]),
    data=st.data(),
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_user_is_encoded_alike_in_any_company(
    counts: list[int], seed: int, music_dim: int, data: st.DataObject
) -> None:
    batch = users(counts, music_dim=music_dim, seed=seed)
    spec = fit(batch)
    encoded = encode_users(spec, batch, vectors())
    assert encoded.dtype == np.float32
    assert encoded.shape == (len(batch), spec.width) == (len(batch), len(spec.names()))
    assert np.isfinite(encoded).all()
    rows = data.draw(st.lists(st.integers(0, len(batch) - 1), max_size=5))
    assert np.array_equal(encode_users(spec, batch.take(rows), vectors()), encoded[rows])


@given(seed=st.integers(0, 1000), days=st.integers(-3000, 3000))
@hypothesis_settings(max_examples=30, deadline=None)
def test_the_clock_has_no_say(seed: int, days: int) -> None:
    batch = users([0, 5, 30], seed=seed)
    shifted = replace(
        batch,
        histories={
            name: replace(one, times=one.times + days * MICROSECONDS_PER_DAY)
            for name, one in batch.histories.items()
        },
    )
    spec = fit(batch)
    encoded = encode_users(spec, batch, vectors())
    assert np.array_equal(encode_users(spec, shifted, vectors()), encoded)


def test_the_mean_is_the_formula() -> None:
    """Signal weight x 0.5^((newest of any type - t) / half-life), then unit length."""
    batch = users([4, 0, 17, 1], seed=3)
    spec = fit(batch)
    encoded = encode_users(spec, batch, vectors())
    names = spec.names()
    weight_of = SETTINGS.data.signals
    for row in range(len(batch)):
        one = batch.take([row])
        newest = max((h.times.max() for h in one.histories.values() if h.times.size), default=0)
        for item_type in TYPES:
            events = one.histories[item_type]
            total = np.zeros(DIM)
            for item, signal, time in zip(events.items, events.signals, events.times, strict=True):
                days = (newest - time) / MICROSECONDS_PER_DAY
                weight = weight_of[SIGNALS[signal]] * 0.5 ** (days / 60.0)
                total += weight * vectors()[item]
            norm = np.linalg.norm(total)
            start = names.index(f"{item_type}_mean_0")
            expected = total / norm if norm else total
            np.testing.assert_allclose(encoded[row, start : start + DIM], expected, atol=1e-5)
            assert encoded[row, start + DIM] == np.float32(np.log1p(events.items.size))
            assert encoded[row, start + DIM + 1] == float(events.items.size > 0)


def test_events_ages_apart_neither_vanish_nor_break() -> None:
    batch = users([1], seed=1)
    century = 100 * 365 * MICROSECONDS_PER_DAY
    old = replace(batch.histories["podcast"], items=np.array([1]), times=np.array([0]))
    new = replace(batch.histories["audiobook"], items=np.array([2]), times=np.array([century]))
    batch = replace(batch, histories={"audiobook": new, "podcast": old})
    spec = fit(batch, Settings(features=FeatureSettings(half_life_days=1.0)))
    encoded = encode_users(spec, batch, vectors())[0]
    start = spec.names().index("podcast_mean_0")
    assert np.linalg.norm(encoded[start : start + DIM]) == pytest.approx(1.0, abs=1e-6)


def test_items_without_vector_leave_zeros_not_nan() -> None:
    batch = users([2], seed=0)
    silent = {
        name: replace(one, items=np.zeros_like(one.items)) for name, one in batch.histories.items()
    }
    batch = replace(batch, histories=silent)
    spec = fit(batch)
    encoded = encode_users(spec, batch, vectors())[0]
    start = spec.names().index("audiobook_mean_0")
    assert not encoded[start : start + DIM].any()
    assert encoded[start + DIM + 1] == 1.0


def test_countries_ages_and_music_enter_as_named() -> None:
    batch = users([0, 0, 0, 0, 0, 0], seed=2)
    countries = np.array(["SE", "SE", "DE", None, "NO", "SE"], dtype=object)
    batch = replace(batch, countries=countries)
    spec = fit(batch)
    assert spec.countries == ("SE", "DE", "NO")
    encoded = dict(zip(spec.names(), encode_users(spec, batch, vectors()).T, strict=True))
    assert encoded["country_SE"].tolist() == [1, 1, 0, 0, 0, 1]
    assert encoded["country_other"].tolist() == [0, 0, 0, 1, 0, 0]
    assert encoded["age_missing"].tolist() == [1, 0, 0, 1, 0, 0]
    assert encoded["age"][0] == 0.0
    known = encoded["age_missing"] == 0
    assert encoded["age"][known].mean() == pytest.approx(0.0, abs=1e-6)
    assert encoded["age"][known].std() == pytest.approx(1.0, abs=1e-5)
    assert encoded["music_missing"].tolist() == [0, 1, 0, 0, 0, 1]
    stranger = replace(batch.take([0]), countries=np.array(["XX"], dtype=object))
    row = dict(zip(spec.names(), encode_users(spec, stranger, vectors())[0], strict=True))
    assert row["country_other"] == 1.0


def test_only_the_most_frequent_countries_have_a_column() -> None:
    batch = users([0] * 101, seed=2)
    countries = np.array([f"C{at:03d}" for at in range(100)] + ["C099"], dtype=object)
    spec = fit(replace(batch, countries=countries))
    assert len(spec.countries) == 64
    assert spec.countries[:2] == ("C099", "C000")


def test_the_spec_survives_json() -> None:
    spec = fit(users([3, 4, 5]))
    assert UserFeatureSpec.model_validate_json(spec.model_dump_json()) == spec
    earlier = spec.model_dump(exclude={"signals", "categories", "numbers"})
    assert UserFeatureSpec.model_validate(earlier) == spec


def test_a_column_that_settings_name_is_a_feature() -> None:
    features = DataSettings(user_features={"plan": "category", "days since": "number"})
    batch = replace(
        users([0, 0, 0, 0]),
        further={
            "plan": np.array(["paid", "free", None, "paid"], dtype=object),
            "days since": np.array([1, 3, np.nan, 5], np.float32),
        },
    )
    spec = fit(batch, Settings(data=features))
    assert spec.fields.categories == ("plan",)
    assert UserFeatureSpec.model_validate_json(spec.model_dump_json()) == spec
    encoded = dict(zip(spec.names(), encode_users(spec, batch, vectors()).T, strict=True))
    assert len(encoded) == spec.width
    assert encoded["plan_paid"].tolist() == [1, 0, 0, 1]
    assert encoded["plan_other"].tolist() == [0, 0, 1, 0]
    assert encoded["days since"].tolist() == pytest.approx([-(1.5**0.5), 0, 0, 1.5**0.5])
    assert encoded["days since_missing"].tolist() == [0, 0, 1, 0]
    plain = dict(zip(fit(batch).names(), encode_users(fit(batch), batch, vectors()).T, strict=True))
    assert all(np.array_equal(encoded[name], column) for name, column in plain.items())
    strangers = encode_users(spec, replace(batch, further={}), vectors())
    assert strangers[:, spec.names().index("plan_other")].all()


def test_what_does_not_fit_is_refused() -> None:
    batch = users([3, 4])
    spec = fit(batch)
    with pytest.raises(FeatureError, match="History vectors"):
        encode_users(spec, batch, vectors()[:, :-1])
    with pytest.raises(FeatureError, match="outside"):
        encode_users(spec, batch, vectors()[:1])
    with pytest.raises(FeatureError, match="Music vectors"):
        encode_users(spec, replace(batch, music=batch.music[:, :1]), vectors())
    with pytest.raises(FeatureError, match="podcast"):
        encode_users(spec, replace(batch, histories={"audiobook": History.empty(2)}), vectors())
    with pytest.raises(FeatureError, match="No users"):
        fit(batch.take([]))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3))
def test_a_user_far_from_all_others_has_finite_moderate_features(music: list[float]) -> None:
    fitted = users([4, 2, 0, 3])
    spec = UserFeatureSpec.fit(
        fitted, SETTINGS.data, SETTINGS.features, vector_dim=DIM, types=TYPES
    )
    one = fitted.take([0])
    far = replace(one, music=np.array([music], dtype=np.float32))
    found = encode_users(spec, far, vectors())
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 100.0
