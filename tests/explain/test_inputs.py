from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.errors import ReportError
from colisten.explain.inputs import CheckedTables, ExplanationInputs
from colisten.release.loaded import LoadedRelease
from colisten.settings.engine import Engine
from colisten.steps.use_cases.explain import live_release
from tests.conftest import CUT
from tests.explain.home import WINDOW_DAYS, inputs_of
from tests.feature_folders import live_features

TABLES = "steps/check_tables-1"


def read(out: Path, most_users: int = 2000, seed: int = 0) -> ExplanationInputs:
    return inputs_of(out, most_users=most_users, seed=seed)


@contextmanager
def instead(file: Path, table: pa.Table) -> Iterator[None]:
    whole = file.read_bytes()
    pq.write_table(table, file)
    try:
        yield
    finally:
        file.write_bytes(whole)


def test_users_are_those_with_a_target_and_features_lie_before_the_cut(
    home: Path, inputs: ExplanationInputs
) -> None:
    sample = inputs.sample
    events = pq.read_table(home / TABLES / "holdout" / "interactions.parquet").to_pandas()
    history = pq.read_table(home / TABLES / "history" / "interactions.parquet").to_pandas()
    streams = events[(events.signal == "stream") & (events.item_type == "audiobook")]
    had = history[(history.signal == "stream") & (history.item_type == "audiobook")]
    known = set(zip(had.user_id, had.item_id, strict=True))
    wanted: dict[str, set[str]] = {}
    for user, item in zip(streams.user_id, streams.item_id, strict=True):
        if (user, item) not in known and user in set(history.user_id):
            wanted.setdefault(user, set()).add(item)
    ids = inputs.release.item_ids[inputs.release.target]
    found = {user: set(ids[sample.targets[row]]) for row, user in enumerate(sample.user_ids)}
    assert found == wanted
    assert 0 < inputs.window_days <= WINDOW_DAYS
    assert events.timestamp.min() >= CUT


def test_the_towers_give_the_served_vectors_back(inputs: ExplanationInputs) -> None:
    vectors = inputs.towers.items(inputs.item_features)
    np.testing.assert_allclose(vectors, inputs.release.item_vectors, atol=1e-5)


def test_a_sample_is_bounded_and_of_its_seed(home: Path) -> None:
    one, two, other = read(home, 10), read(home, 10), read(home, 10, seed=1)
    assert len(one.sample) == len(one.user_features) == 10
    assert one.sample.user_ids.tolist() == two.sample.user_ids.tolist()
    assert one.sample.user_ids.tolist() != other.sample.user_ids.tolist()


def test_without_a_window_everyone_is_asked(home: Path) -> None:
    file = home / TABLES / "holdout" / "interactions.parquet"
    with instead(file, pq.read_table(file).slice(0, 0)):
        found = read(home)
    assert found.window_days == 0
    assert not found.sample.answered
    assert len(found.sample) == 80


def test_other_tables_than_the_releases_are_refused(home: Path) -> None:
    file = home / TABLES / "history" / "interactions.parquet"
    fewer = pq.read_table(file).slice(0, 600)
    with instead(file, fewer), pytest.raises(ReportError, match="its own vectors back"):
        read(home)


def test_a_release_is_explained_wherever_it_lies(
    home: Path, inputs: ExplanationInputs, tmp_path: Path
) -> None:
    copies = [
        shutil.copytree(source, tmp_path / name)
        for source, name in (
            (inputs.release.folder, "elsewhere"),
            (home / TABLES, "tables"),
            (live_features(home), "features"),
        )
    ]
    copied = ExplanationInputs.read(
        LoadedRelease.load(copies[0]),
        CheckedTables.read(copies[1]),
        copies[2],
        most_users=2000,
        seed=0,
        engine=Engine(),
    )
    assert copied.sample.user_ids.tolist() == inputs.sample.user_ids.tolist()
    np.testing.assert_array_equal(copied.user_features, inputs.user_features)
    np.testing.assert_array_equal(copied.item_features, inputs.item_features)


def test_tables_of_another_cut_are_refused_by_name(home: Path, tmp_path: Path) -> None:
    release = live_release(home, threads=1)
    tables = replace(CheckedTables.read(home / TABLES), cut=CUT + timedelta(days=1))
    with pytest.raises(ReportError, match=f"not those of release {release.release_id}"):
        ExplanationInputs.read(
            release, tables, live_features(home), most_users=9, seed=0, engine=Engine()
        )
