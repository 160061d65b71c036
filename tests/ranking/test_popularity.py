"""Popularity counts people, in time, of the target type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import EvaluationError
from colisten.ranking.popularity import (
    PopularityRule,
    country_orders,
    popular_order,
    popularity,
    popularity_scores,
)
from colisten.ranking.rankers import PopularityRanker
from tests.evaluation.conftest import DAY, at, catalogue_of, event_log, write_events

EVERYONE = PopularityRule(days=30, title_listeners=1, list_listeners=1)


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
    assert popular_order(books, DAY, EVERYONE).tolist() == [2, 1, 3, 0, 4]
    assert popularity_scores(books, DAY, EVERYONE).tolist() == [2, 4, 5, 3, 1]


def heard(folder: Path, audience: Mapping[str, Sequence[str]], people: Mapping[str, str]) -> Path:
    """Each title with its listeners, and the country of each listener."""
    log = [
        (user, item, "audiobook", "stream", -1)
        for item, users in audience.items()
        for user in users
    ]
    write_events(folder, log)
    columns = {"user_id": list(people), "country": list(people.values())}
    pq.write_table(pa.table(columns), folder / "users.parquet")
    return folder


def test_everybody_together_is_no_few(tmp_path: Path) -> None:
    """The list of a small catalogue, or of a new type, is as good as its listeners make it."""
    users = [f"u{at}" for at in range(5)]
    audience = {"a3": users[:2], "a2": users[:1], "a4": users[:4], "a1": users[:3]}
    folder = heard(tmp_path, audience, dict.fromkeys(users, "SE"))
    books = event_log(folder, catalogue_of(["a0", "a1", "a2", "a3", "a4"]))
    for rule in (EVERYONE, replace(EVERYONE, title_listeners=6, list_listeners=20)):
        order = popular_order(books, DAY, rule)
        assert order.tolist() == [4, 1, 3, 2, 0]
    assert country_orders(books, DAY, rule, order) == {}


@given(
    st.lists(
        st.tuples(st.integers(0, 11), st.integers(0, 3)), min_size=1, max_size=60, unique=True
    ),
    st.integers(1, 6),
    st.integers(1, 8),
)
@settings(max_examples=25, deadline=None)
def test_no_list_and_no_title_in_it_is_of_few(
    pairs: list[tuple[int, int]], titles: int, lists: int
) -> None:
    """Whoever listened to what: lists are those of enough people, each title of enough of them."""
    where = {f"u{user}": ("SE", "DE", "FI")[user % 3] for user in range(12)}
    audience: dict[str, list[str]] = {}
    for user, item in pairs:
        audience.setdefault(f"a{item}", []).append(f"u{user}")
    with TemporaryDirectory() as place:
        books = event_log(
            heard(Path(place), audience, where), catalogue_of(["a0", "a1", "a2", "a3"])
        )
        rule = PopularityRule(days=30, title_listeners=titles, list_listeners=lists)
        everywhere = popular_order(books, DAY, rule)
        found = country_orders(books, DAY, rule, everywhere)
        assert sorted(everywhere.tolist()) == [0, 1, 2, 3]
        for country in ("SE", "DE", "FI"):
            here = {
                item: {user for user in users if where[user] == country}
                for item, users in audience.items()
            }
            told = {item: len(users) for item, users in here.items() if len(users) >= titles}
            enough = len(set().union(*here.values())) >= lists
            assert (country in found) == bool(enough and told)
            listed = [f"a{item}" for item in found.get(country, np.zeros(0, int)).tolist()]
            assert set(listed) == (set(told) if enough else set())
            assert [told[item] for item in listed] == sorted(
                (told[item] for item in listed), reverse=True
            )


def test_ranks_everyone_alike() -> None:
    ranker = PopularityRanker("popularity", np.array([3, 1], np.float32))
    assert ranker.scores(np.array([5, 9])).tolist() == [[3, 1], [3, 1]]


def test_says_when_there_are_no_events(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="No interactions"):
        popularity(event_log(tmp_path, catalogue_of(["a0"])), DAY)
