"""Counts over frozen bins: what is kept of a window, and how far apart two of them are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from colisten.data import parquet
from colisten.errors import ReportError
from colisten.monitoring.bins import MAX_CATEGORIES, Bins
from colisten.monitoring.distances import chance_psi, jensen_shannon, psi
from colisten.monitoring.profile import ColumnProfile, WindowProfile, pooled, profile_columns
from colisten.monitoring.profile_folder import ProfileFolder
from colisten.monitoring.profile_parquet import profile_parquet

NOW = datetime(2025, 6, 1, tzinfo=UTC)
COUNTS = st.lists(st.integers(0, 10_000), min_size=2, max_size=12)
VALUES = st.lists(st.floats(-1e9, 1e9) | st.just(3.0), min_size=1, max_size=300)


@given(COUNTS, st.randoms(use_true_random=False))
def test_distances_are_zero_of_like_counts_and_the_same_from_both_sides(
    counts: list[int], chance: object
) -> None:
    other = counts[::-1]
    assert psi(counts, counts) == jensen_shannon(counts, counts) == 0
    assert psi(counts, other) == pytest.approx(psi(other, counts))
    assert psi(counts, other) >= 0
    raised = [np.array(each) + 0.5 for each in (counts, other)]
    # Where both are alike scipy takes the root of a rounding error below zero.
    expected = np.nan_to_num(jensenshannon(*raised))
    assert jensen_shannon(counts, other) == pytest.approx(expected, abs=1e-6)


def test_chance_is_what_samples_of_one_distribution_give() -> None:
    rng = np.random.default_rng(0)
    drawn = [rng.multinomial(3_000, np.full(10, 0.1), 2) for _ in range(400)]
    found = np.mean([psi(one.tolist(), other.tolist()) for one, other in drawn])
    assert found == pytest.approx(chance_psi(10, 3_000, 3_000), rel=0.1)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_every_value_is_counted_in_bins_that_other_values_froze(
    first: list[float], then: list[float]
) -> None:
    before = ColumnProfile.of_numbers(np.array(first))
    after = ColumnProfile.of_numbers(np.array([*then, np.nan, np.inf]), before.bins)
    assert (sum(before.counts), sum(after.counts)) == (len(first), len(then))
    assert (after.missing, after.rows, after.bins) == (2, len(then) + 2, before.bins)
    both = ColumnProfile.of_numbers(np.array(first + then), before.bins)
    assert pooled([before, after]).counts == both.counts


@pytest.mark.parametrize("moved", [4.0, 2.0, 3.0 + 1e-9])
def test_a_constant_that_moves_is_far_away(moved: float) -> None:
    before = ColumnProfile.of_numbers(np.full(1_000, 3.0))
    assert ColumnProfile.of_numbers(np.full(1_000, moved), before.bins).distance(before) > 1
    assert ColumnProfile.of_numbers(np.full(900, 3.0), before.bins).distance(before) < 0.01


def test_rare_texts_share_a_bin_and_keep_their_names() -> None:
    counts = {f"value {at:03}": 100 - at for at in range(MAX_CATEGORIES + 10)}
    profile = ColumnProfile.of_texts(counts, sum(counts.values()) + 7)
    assert (len(profile.bins), profile.missing) == (MAX_CATEGORIES + 1, 7)
    assert len(profile.others) == 10
    later = ColumnProfile.of_texts({"unheard of": 5, "value 000": 5}, 10, profile.bins)
    assert later.shares()["unheard of"] == 0.5


def test_the_median_comes_from_the_sketch() -> None:
    values = np.random.default_rng(0).normal(40, 10, 20_000)
    found = ColumnProfile.of_numbers(values).median
    assert found == pytest.approx(np.median(values), abs=0.5)
    assert ColumnProfile.of_numbers(values, Bins(edges=(40.0,)), sketched=False).median is None


def test_a_column_that_turned_into_texts_has_bins_of_its_own() -> None:
    before = profile_columns(pd.DataFrame({"age": [1.0, 2.0]}))
    bins = {"age": before["age"].bins}
    assert not profile_columns(pd.DataFrame({"age": ["1", "x"]}), bins)["age"].bins.are_of_numbers
    empty = profile_columns(pd.DataFrame({"age": [None, None]}), bins)["age"]
    assert (empty.missing, empty.bins) == (2, before["age"].bins)


def test_a_file_has_the_profile_of_its_frame(tmp_path: Path) -> None:
    rng, words = np.random.default_rng(0), np.array(["a", "b", None], dtype=object)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(5_000) < 0.1, np.nan, rng.normal(40, 9, 5_000)),
            'it\'s "a" column': words[rng.integers(3, size=5_000)],
        }
    )
    file = tmp_path / "x=1 [a]" / "users.parquet"
    file.parent.mkdir()
    moments = pa.array([NOW] * 5_000)
    parquet.write(pa.Table.from_pandas(frame).append_column("when", moments), file)
    expected = profile_columns(frame)
    found = profile_parquet(file)
    assert list(found) == list(expected)
    for name, one in found.items():
        assert (one.rows, one.missing, one.values) == (
            expected[name].rows,
            expected[name].missing,
            expected[name].values,
        )
    age = ColumnProfile.of_numbers(frame["age"].to_numpy(), found["age"].bins)
    assert age.counts == found["age"].counts
    assert found["age"].median == pytest.approx(float(frame["age"].median()), abs=0.5)
    text = 'it\'s "a" column'
    assert found[text].counts == expected[text].counts
    bare = profile_parquet(file, {name: one.bins for name, one in found.items()}, sketched=False)
    assert [one.counts for one in bare.values()] == [one.counts for one in found.values()]
    assert bare["age"].sketch is None
    parquet.write(pa.table({"when": moments}), file)
    with pytest.raises(ReportError, match="no column of numbers or texts"):
        profile_parquet(file)


def window(until: datetime, days: float = 7, **columns: ColumnProfile) -> WindowProfile:
    return WindowProfile(since=until - timedelta(days=days), until=until, rows=3, columns=columns)


def test_a_folder_gives_back_what_was_kept_and_passes_over_what_is_damaged(tmp_path: Path) -> None:
    profile = window(NOW, age=ColumnProfile.of_numbers(np.array([1.0, np.nan])))
    kept = ProfileFolder(tmp_path / "profiles")
    kept.save(window(NOW))
    kept.save(profile)
    for content in ("", "{}", "[1]", '{"rows": NaN}'):
        (tmp_path / "profiles" / "20250101T000000-7d.json").write_text(content)
        assert ProfileFolder(tmp_path / "profiles").profiles == (profile,)
    again = ProfileFolder(tmp_path / "profiles")
    assert again.at(NOW + timedelta(hours=1), 7) == profile
    assert again.at(NOW, 14) is again.at(NOW - timedelta(days=1), 7) is None
    assert again.bins(NOW, {}) == {}
    later = NOW + timedelta(days=7)
    assert again.bins(later, {}) == {"age": profile.columns["age"].bins}
    assert again.bins(later, {"age": "another release"}) == {}


def test_a_folder_keeps_the_latest_profiles_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colisten.monitoring.profile_folder.KEEP", 3)
    kept = ProfileFolder(tmp_path)
    for week in range(5):
        kept.save(window(NOW + week * timedelta(days=7)))
    assert [one.until for one in ProfileFolder(tmp_path).profiles] == [
        NOW + week * timedelta(days=7) for week in (2, 3, 4)
    ]
