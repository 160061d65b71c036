"""Popularity counts people, in time, of the target type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import EvaluationError
from colisten.evaluation.popularity import popularity
from colisten.ranking.rankers import PopularityRanker
from tests.evaluation.conftest import DAY, at, catalogue_of, event_log


def test_counts_users_who_streamed_within_the_window_and_before_the_moment(
    events_at: Callable[..., Path],
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
    folder, catalogue = events_at(log), catalogue_of(["a0", "a1", "a2"], ["p0"])
    books = event_log(folder, catalogue)
    assert popularity(books, DAY).tolist() == [2, 1, 0]
    assert popularity(books, DAY, 30).tolist() == [2, 0, 0]
    assert popularity(books, at(1)).tolist() == [2, 1, 1]
    assert popularity(books.of_type("podcast"), DAY).tolist() == [1]


def test_ranks_everyone_alike() -> None:
    ranker = PopularityRanker("popularity", np.array([3, 1], np.float32))
    assert ranker.scores(np.array([5, 9])).tolist() == [[3, 1], [3, 1]]


def test_says_when_there_are_no_events(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="No interactions"):
        popularity(event_log(tmp_path, catalogue_of(["a0"])), DAY)
