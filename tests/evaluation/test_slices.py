"""Finer slices: who and what is in them, and that only their own targets count."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data.catalogue import Catalogue
from colisten.evaluation.slices import NEW_ITEMS, USER_SLICES, Slice, finer_slices, reads
from colisten.evaluation.split import EvaluationSet
from colisten.evaluation.table import EvaluationTable, evaluate
from colisten.features.users import History, UserBatch
from colisten.ranking.rankers import RandomRanker, Ranker
from colisten.reports.evaluation import to_html
from colisten.settings.sections import EvaluationSettings
from tests.evaluation.conftest import Scores, catalogue_of, perfect, random_set

USERS, ITEMS = 120, 60
SETTINGS = EvaluationSettings(bootstrap=50, depth=20)
STREAMS = np.concatenate([np.arange(50, 0, -1), np.zeros(10)]).astype(np.float32)
EVENTS = np.arange(USERS) % 12 + 1


def languages() -> list[str | None]:
    return [("en", "de", None)[at % 3] for at in range(ITEMS)]


def sliced() -> tuple[EvaluationSet, dict[str, Slice]]:
    data = random_set(USERS, ITEMS)
    table = catalogue_of([f"a{at:03d}" for at in range(ITEMS)]).table
    column = table.schema.get_field_index("language")
    catalogue = Catalogue(table.set_column(column, "language", pa.array(languages())))
    return data, {one.name: one for one in finer_slices(data, catalogue, STREAMS, EVENTS)}


def items_of(part: Slice) -> np.ndarray:
    assert part.items is not None
    return part.items


def test_tiers_are_fifths_of_the_streamed_items_and_new_items_stand_apart() -> None:
    _, found = sliced()
    tiers = [items_of(found[f"tier {at}"]) for at in range(1, 6)]
    assert [np.flatnonzero(tier).tolist() for tier in tiers] == [
        list(range(10 * at, 10 * at + 10)) for at in range(5)
    ]
    assert np.flatnonzero(items_of(found[NEW_ITEMS])).tolist() == list(range(50, 60))
    assert np.flatnonzero(items_of(found["language de"])).tolist() == list(range(1, 60, 3))
    parts = [found[name].users for name in ("1-2 events", "3-9 events", "10+ events")]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(USERS))


def users_with(histories: list[dict[str, list[int]]]) -> UserBatch:
    """Users with these items by type, nothing else known of them."""
    by_type = {}
    for name in ("audiobook", "podcast"):
        items = [each.get(name, []) for each in histories]
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in items])]).astype(np.int64)
        flat = np.array([item for one in items for item in one], np.int64)
        by_type[name] = History(offsets, flat, np.zeros(len(flat), np.int8), flat)
    who = np.array([str(at) for at in range(len(histories))], dtype=object)
    nothing = np.full(len(histories), None, dtype=object)
    ages = np.full(len(histories), np.nan, np.float32)
    return UserBatch(who, nothing, ages, np.zeros((len(histories), 0), np.float32), by_type)


def test_users_with_text_are_those_who_had_an_item_with_a_vector() -> None:
    vectors = np.array([[0.0, 0.0], [0.6, 0.8], [0.0, -1.0]], np.float32)
    histories = [{"audiobook": [0]}, {"audiobook": [0, 1]}, {"podcast": [2]}, {}, {"podcast": [0]}]
    found = reads(users_with(histories), vectors)
    assert found.tolist() == [False, True, True, False, False]


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=USERS, max_size=USERS))
def test_text_slices_part_the_users_or_are_left_out(flags: list[bool]) -> None:
    data, text = random_set(USERS, ITEMS), np.array(flags)
    catalogue = catalogue_of([f"a{at:03d}" for at in range(ITEMS)])
    slices = {one.name: one for one in finer_slices(data, catalogue, STREAMS, EVENTS, text=text)}
    named = {"text", "no text"} & set(slices)
    if text.all() or not text.any():
        assert not named
    else:
        np.testing.assert_array_equal(slices["text"].users, np.flatnonzero(text))
        np.testing.assert_array_equal(slices["no text"].users, np.flatnonzero(~text))
    of_users = {one.name for one in slices.values() if one.items is None}
    assert of_users <= set(USER_SLICES)
    assert not {one.name for one in slices.values() if one.items is not None} & set(USER_SLICES)


def test_only_a_slices_own_targets_count() -> None:
    data, found = sliced()
    part = found["tier 1"]
    for user in part.users:
        assert items_of(part)[data.targets[user]].any()
    lists = np.tile(np.arange(20, 30, dtype=np.int32), (USERS, 1))  # tier 3 alone
    values, coverage = part.measure(lists, data, 10)
    assert not values.any()
    assert coverage.value == 0.0
    values, coverage = found["tier 3"].measure(lists, data, 10)
    assert (values[:, 0] == 1.0).all()
    assert (values[:, 2] == 1.0).all()
    assert coverage.value == 10 / (items_of(found["tier 3"]) & data.available).sum()


def test_the_table_and_the_page_carry_them() -> None:
    data, found = sliced()
    rankers: list[Ranker] = [
        perfect(data),
        RandomRanker(ITEMS),
        Scores("flat", np.zeros((USERS, ITEMS))),
    ]
    table = evaluate(rankers, data, SETTINGS, 0, subject="perfect", finer=list(found.values()))
    assert {row.slice for row in table.finer} == set(found)
    new = [row for row in table.finer if (row.slice, row.model) == (NEW_ITEMS, "perfect")]
    assert new[0].metrics["HR@10"].value == 1.0
    better = [each for each in table.finer_differences if each.slice == "tier 5"]
    assert all(each.value > 0 for each in better if each.metric == "HR@10")
    again = EvaluationTable.model_validate_json(table.model_dump_json())
    assert again == table
    page = to_html(table)
    assert "new items" in page
    assert "tier 5" in page
    assert "Tiers, new items" not in to_html(evaluate(rankers, data, SETTINGS, 0))
