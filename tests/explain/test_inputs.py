from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.config import Settings
from colisten.errors import ReleaseNotFound, ReportError
from colisten.explain.inputs import ExplanationInputs
from tests.conftest import CUT
from tests.explain.home import WINDOW_DAYS

TABLES = "pipeline/runs/run-1/check-tables"


def read(out: Path, sample: int = 2000, seed: int = 0) -> ExplanationInputs:
    return ExplanationInputs.read(out, most_users=sample, seed=seed, settings=Settings())


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


def test_a_release_must_be_live(tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound, match="No release is live"):
        read(tmp_path)
