"""Popularity counts people, in time, of the target type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from colisten.errors import EvaluationError
from colisten.ranking.popularity import popular_order, popularity, popularity_scores
from colisten.ranking.rankers import PopularityRanker
from tests.evaluation.conftest import DAY, at, catalogue_of, event_log, write_events


def test_counts_users_who_streamed_within_the_window_and_before_the_moment(
    tmp_path: Path,
) -> None:
    log = [
        ("u1", "a1", "audiobook", "stream", -40),
        ("u1", "a0", "audiobook", "stream", -30),
        ("u1", "a0", "audiobook", "stream", -1),
        ("u2", "a0", "audiobook", "stream", -1),
        ("u2", "a1", "audiobook", "follow", -1),
        ("u2", "p0", "podcast", "stream", -1),
        ("u3", "a2", "audiobook", "stream", 0),
        ("u3", "a-gone", "audiobook", "stream", -1),
    ]
    folder, catalogue = write_events(tmp_path, log), catalogue_of(["a0", "a1", "a2"], ["p0"])
    books = event_log(folder, catalogue)
    assert popularity(books, DAY).tolist() == [2, 1, 0]
    assert popularity(books, DAY, 30).tolist() == [2, 0, 0]
    assert popularity(books, at(1)).tolist() == [2, 1, 1]
    assert popularity(books.of_type("podcast"), DAY).tolist() == [1]


def test_who_is_equal_lately_is_ranked_by_all_time_and_then_by_index(
    tmp_path: Path,
) -> None:
    log = [
        ("u1", "a1", "audiobook", "stream", -1),
        ("u1", "a2", "audiobook", "stream", -1),
        ("u2", "a2", "audiobook", "stream", -40),
        ("u3", "a3", "audiobook", "stream", -40),
    ]
    books = event_log(write_events(tmp_path, log), catalogue_of(["a0", "a1", "a2", "a3", "a4"]))
    assert popular_order(books, DAY, 30).tolist() == [2, 1, 3, 0, 4]
    assert popularity_scores(books, DAY, 30).tolist() == [2, 4, 5, 3, 1]


def test_ranks_everyone_alike() -> None:
    ranker = PopularityRanker("popularity", np.array([3, 1], np.float32))
    assert ranker.scores(np.array([5, 9])).tolist() == [[3, 1], [3, 1]]


def test_says_when_there_are_no_events(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="No interactions"):
        popularity(event_log(tmp_path, catalogue_of(["a0"])), DAY)
