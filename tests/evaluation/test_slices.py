"""Finer slices: who and what is in them, and that only their own targets count."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from colisten.data.catalogue import Catalogue
from colisten.evaluation.slices import NEW_ITEMS, Slice, finer_slices
from colisten.evaluation.split import EvaluationSet
from colisten.evaluation.table import EvaluationTable, evaluate
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
