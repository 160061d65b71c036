"""Who is measured on what, and that nothing but the targets comes from after the cut."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data.catalogue import Catalogue
from colisten.errors import EvaluationError
from colisten.evaluation.split import EvaluationSet, evaluation_set
from colisten.ranking.eligible import EligibleUsers, eligible_users
from colisten.ranking.events import EventLog
from colisten.ranking.popularity import popularity
from colisten.settings.data import DataSettings
from tests.conftest import CUT
from tests.evaluation.conftest import DAY, Event, at, catalogue_of, event_log, write_events

AUDIOBOOKS = [f"a{number}" for number in range(5)]
PODCASTS = [f"p{number}" for number in range(3)]
WINDOW = 10

events = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u3", "u4"]),
        st.sampled_from([*AUDIOBOOKS, "a-unknown", *PODCASTS]),
        st.sampled_from(["stream", "stream", "follow", "preview", "intent_to_pay"]),
        st.integers(-15, 15),
    ),
    max_size=30,
)


def typed(rows: Iterable[tuple[str, str, str, float]]) -> list[Event]:
    return [
        (user, item, "audiobook" if item.startswith("a") else "podcast", signal, day)
        for user, item, signal, day in rows
    ]


@dataclass
class Expected:
    """One user; items by id."""

    warm: bool
    seen_items: set[str]
    targets: set[str] = field(default_factory=set)
    num_targets: int = 0


def naive(log: list[Event], cut: float, window: float, available: set[str]) -> dict[str, Expected]:
    """The protocol in words, one user at a time."""
    users = {}
    for user in sorted({user for user, *_, day in log if day < cut}):
        books = [event for event in log if event[0] == user and event[2] == "audiobook"]
        streams = [(item, day) for _, item, _, signal, day in books if signal == "stream"]
        seen = {item for item, day in streams if day < cut}
        first = {item for item, day in streams if cut <= day < cut + window} - seen
        warm = any(event[4] < cut for event in books)
        users[user] = Expected(warm, seen - {"a-unknown"}, first & available, len(first))
    return users


def described(found: EligibleUsers, catalogue: Catalogue) -> dict[str, Expected]:
    ids = catalogue.item_ids[catalogue.slice_of("audiobook")]
    people = {}
    for row, user in enumerate(found.user_ids):
        people[user] = Expected(
            bool(found.warm[row]), {ids[item] for item in found.exclusions[row]}
        )
        if isinstance(found, EvaluationSet):
            people[user].targets = {ids[item] for item in found.targets[row]}
            people[user].num_targets = int(found.num_targets[row])
    return people


@settings(max_examples=15, deadline=None)
@given(events, st.integers(-8, 8), st.dictionaries(st.sampled_from(AUDIOBOOKS), st.integers(-9, 9)))
def test_agrees_with_the_protocol_in_plain_python(
    rows: list[tuple[str, str, str, float]], cut: int, published: dict[str, float]
) -> None:
    log = typed(rows)
    touched = {item for _, item, _, _, day in log if day < cut}
    available = {item for item in AUDIOBOOKS if published.get(item, -99) < cut or item in touched}
    catalogue = catalogue_of(AUDIOBOOKS, PODCASTS, published)
    with tempfile.TemporaryDirectory() as folder:
        source = [write_events(Path(folder), log)]
        everyone = eligible_users(event_log(source, catalogue), at(cut))
        measured = evaluation_set(event_log(source, catalogue), cut=at(cut), window_days=WINDOW)
    people = naive(log, cut, WINDOW, available)
    assert described(everyone, catalogue) == {
        user: Expected(one.warm, one.seen_items) for user, one in people.items()
    }
    wanted = {user: one for user, one in people.items() if one.num_targets}
    assert described(measured, catalogue) == wanted
    assert measured.num_candidates == len(available) == everyone.num_candidates
    missed = sum(one.num_targets - len(one.targets) for one in people.values())
    assert measured.unreachable == missed


def test_users_are_sorted_and_the_row_of_every_array(events_at: Callable[..., Path]) -> None:
    log = typed([("b", "a0", "stream", -1), ("ä", "p0", "stream", -2), ("B", "a1", "follow", -3)])
    found = eligible_users(event_log(events_at(log), catalogue_of(AUDIOBOOKS, PODCASTS)), DAY)
    assert found.user_ids.tolist() == ["B", "b", "ä"]
    assert found.warm.tolist() == [True, True, False]
    assert [found.exclusions[row].tolist() for row in range(3)] == [[], [0], []]


def test_an_event_at_the_cut_is_future_and_at_the_end_of_the_window_is_out(
    events_at: Callable[..., Path],
) -> None:
    log = typed(
        [
            ("u1", "p0", "stream", -1),
            ("u1", "a0", "stream", 0),
            ("u1", "a1", "stream", WINDOW),
            ("u2", "a0", "stream", 0),
        ]
    )
    found = evaluation_set(
        event_log(events_at(log), catalogue_of(AUDIOBOOKS, PODCASTS)), cut=DAY, window_days=WINDOW
    )
    assert found.user_ids.tolist() == ["u1"], "u2 has no event before the cut"
    assert found.targets[0].tolist() == [0]
    assert not found.warm[0]


@pytest.mark.parametrize("seed", range(3))
def test_what_happens_after_the_cut_changes_nothing_but_targets(
    tiny_source: Path, tiny_history: Path, tmp_path: Path, seed: int
) -> None:
    """Leak test: altered and added future events leave warmth, exclusions and candidates alone."""
    catalogue = Catalogue.read(tiny_history)
    events = pq.read_table(tiny_source / "interactions.parquet").to_pylist()
    rng = random.Random(seed)
    altered = []
    for event in events:
        if event["timestamp"] >= CUT:
            event = dict(
                event,
                user_id=f"u{rng.randrange(80):04d}",
                item_id=f"a{rng.randrange(40):03d}",
                item_type="audiobook",
                signal=rng.choice(["stream", "follow"]),
            )
        altered.append(event)
    table = pq.read_table(tiny_source / "interactions.parquet")
    changed = type(table).from_pylist(altered, table.schema)
    pq.write_table(changed, tmp_path / "interactions.parquet")

    def read(folder: Path) -> tuple[EligibleUsers, EvaluationSet]:
        return (
            eligible_users(event_log(folder, catalogue), CUT),
            evaluation_set(event_log(folder, catalogue), cut=CUT, window_days=30),
        )

    (before, measured), (after, remeasured) = read(tiny_source), read(tmp_path)
    assert before.user_ids.tolist() == after.user_ids.tolist()
    for name in ("warm", "available"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    assert np.array_equal(before.exclusions.values, after.exclusions.values)
    assert np.array_equal(before.exclusions.offsets, after.exclusions.offsets)
    assert described(measured, catalogue) != described(remeasured, catalogue)
    first, second = described(measured, catalogue), described(remeasured, catalogue)
    for user in first.keys() & second.keys():
        assert first[user].warm == second[user].warm
        assert first[user].seen_items == second[user].seen_items


def test_a_window_inside_the_history_measures_as_one_behind_it(
    tiny_source: Path, tiny_history: Path, tmp_path: Path
) -> None:
    catalogue = Catalogue.read(tiny_history)
    table = pq.read_table(tiny_source / "interactions.parquet")
    holdout = tmp_path / "holdout"
    holdout.mkdir()
    late = pq.read_table(tiny_source / "interactions.parquet", filters=[("timestamp", ">=", CUT)])
    pq.write_table(late, holdout / "interactions.parquet")
    assert 0 < len(late) < len(table)
    logs = event_log(tiny_source, catalogue), event_log([tiny_history, holdout], catalogue)
    whole, split = (evaluation_set(each, cut=CUT, window_days=30) for each in logs)
    assert described(whole, catalogue) == described(split, catalogue)
    assert len(whole) > 20


def test_types_and_starts_are_whatever_settings_name(events_at: Callable[..., Path]) -> None:
    kind, start, other = "it's a/b %", "buy 'now'", "rent; --"
    log = [
        ("u1", "x0", kind, start, -2),
        ("u1", "x1", kind, "stream", -1),
        ("u1", "x1", kind, other, 1),
        ("u2", "y0", "song", start, -1),
        ("u2", "x0", kind, "stream", 1),
        ("u3", "z0", "film", "click", -1),
        ("u3", "x2", kind, start, 2),
    ]
    items = pa.table(
        {"item_id": ["z0", "x0", "x1", "x2", "y0"], "item_type": ["film", *[kind] * 3, "song"]}
    )
    none = pa.array([None] * 5, pa.timestamp("us", tz="UTC"))
    catalogue = Catalogue(items.append_column("published_at", none))
    signals = {start: 1.0, "stream": 0.5, other: 1.0, "click": 0.1}
    for context in (("song", "film"), ()):
        data = DataSettings(
            target_type=kind, context_types=context, signals=signals, start_signals=(start, other)
        )
        events = EventLog([events_at(log)], catalogue, data)
        found = evaluation_set(events, cut=DAY, window_days=WINDOW)
        assert found.user_ids.tolist() == ["u1", "u3"]
        assert [found.exclusions[0].tolist(), found.targets[0].tolist()] == [[0], [1]]
        assert found.warm.tolist() == [True, False]
        assert popularity(events, at(5)).tolist() == [1, 1, 1]


def test_podcasts_can_be_the_target(tiny_source: Path, tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    found = evaluation_set(event_log(tiny_source, catalogue, "podcast"), cut=CUT, window_days=30)
    assert found.num_candidates == 60
    assert len(found) > 20
    assert found.targets.values.max() < 60


def test_no_event_after_the_cut_gives_an_empty_set(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    found = evaluation_set(event_log(tiny_history, catalogue), cut=CUT, window_days=30)
    assert len(found) == 0
    assert len(found.targets) == len(found.exclusions) == 0
    assert found.num_candidates == 40


def test_says_what_is_wrong_with_the_input(tiny_history: Path, tmp_path: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    with pytest.raises(EvaluationError, match=str(tmp_path)):
        eligible_users(event_log(tmp_path, catalogue), CUT)
    with pytest.raises(EvaluationError, match="no time zone"):
        eligible_users(event_log(tiny_history, catalogue), datetime(2025, 1, 1))
    with pytest.raises(EvaluationError, match="0 days"):
        evaluation_set(event_log(tiny_history, catalogue), cut=CUT, window_days=0)
