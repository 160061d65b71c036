"""The written lists: sorted, complete, never what a user had, whatever the blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.data.catalogue import Catalogue
from colisten.errors import EvaluationError
from colisten.files import file_digest
from colisten.ranking import recommend as module
from colisten.ranking.eligible import eligible_users
from colisten.ranking.popularity import popularity
from colisten.ranking.rankers import PopularityRanker, RandomRanker
from colisten.ranking.recommend import recommend
from tests.conftest import CUT
from tests.evaluation.conftest import catalogue_of, event_log, random_set


def test_every_user_gets_the_best_items_they_never_streamed(
    tiny_history: Path, tmp_path: Path
) -> None:
    catalogue = Catalogue.read(tiny_history)
    users = eligible_users(event_log(tiny_history, catalogue), CUT)
    counts = popularity(event_log(tiny_history, catalogue), CUT)
    out = tmp_path / "recommendations.parquet"
    rows = recommend(users, PopularityRanker("popularity", counts).scores, catalogue, out, depth=38)
    table = pq.read_table(out)
    assert len(table) == rows
    assert table.schema.equals(
        pa.schema(
            {
                "user_id": pa.string(),
                "item_id": pa.string(),
                "rank": pa.int32(),
                "score": pa.float32(),
            }.items()
        )
    )
    history = pq.read_table(tiny_history / "interactions.parquet").to_pylist()
    streamed = {(e["user_id"], e["item_id"]) for e in history if e["signal"] == "stream"}
    books = [item for item in catalogue.item_ids if item.startswith("a")]
    popular = sorted(books, key=lambda item: (-counts[books.index(item)], item))
    expected = [
        (user, item, rank, float(counts[books.index(item)]))
        for user in sorted({event["user_id"] for event in history})
        for rank, item in enumerate(
            [item for item in popular if (user, item) not in streamed][:38], start=1
        )
    ]
    assert [tuple(row.values()) for row in table.to_pylist()] == expected
    assert len(expected) < 38 * len(users), "some users have fewer candidates than asked for"


def test_blocks_and_row_groups_change_no_row_and_equal_calls_equal_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = random_set(700, 900)
    catalogue = catalogue_of(f"a{number:03d}" for number in range(900))
    scorer = RandomRanker(900).scores
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    recommend(users, scorer, catalogue, first, depth=10)
    recommend(users, scorer, catalogue, second, depth=10)
    assert file_digest(first) == file_digest(second)
    monkeypatch.setattr(module, "ROWS_PER_GROUP", 1000)
    recommend(users, scorer, catalogue, third, depth=10, block_megabytes=1)
    assert pq.read_metadata(first).num_row_groups == 1
    assert pq.read_metadata(third).num_row_groups == 5
    assert pq.read_table(third).equals(pq.read_table(first))


def test_a_scorer_that_fails_leaves_the_old_file(tiny_history: Path, tmp_path: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    users = eligible_users(event_log(tiny_history, catalogue), CUT)
    out = tmp_path / "recommendations.parquet"
    recommend(users, RandomRanker(40).scores, catalogue, out, depth=5)
    before = file_digest(out)
    with pytest.raises(EvaluationError, match="not a number"):
        recommend(users, lambda rows: np.full((len(rows), 40), np.nan), catalogue, out, depth=5)
    assert file_digest(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["recommendations.parquet"]


def test_another_catalogue_is_refused(tiny_history: Path, tmp_path: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    users = eligible_users(event_log(tiny_history, catalogue), CUT)
    other = Catalogue(catalogue.table.slice(1))
    with pytest.raises(EvaluationError, match="one catalogue"):
        recommend(users, RandomRanker(40).scores, other, tmp_path / "out", depth=5)
    assert not (tmp_path / "out").exists()
