"""Ranked lists come back as they were written, and refuse users they were not made for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import EvaluationError
from colisten.ranking.lists import Lists, rank_lists, users_digest
from colisten.ranking.rankers import RandomRanker, Ranker
from colisten.settings.sections import EvaluationSettings
from tests.evaluation.conftest import perfect, random_set

SETTINGS = EvaluationSettings(depth=20)
DATA = random_set(50, 40)
RANKERS: list[Ranker] = [perfect(DATA, "a model (with / signs)"), RandomRanker(40)]


def test_lists_written_while_they_are_made_come_back_mapped_and_equal(tmp_path: Path) -> None:
    made = rank_lists(RANKERS, DATA, SETTINGS)
    rank_lists(RANKERS, DATA, SETTINGS, folder=tmp_path / "lists")
    found = Lists.load(tmp_path / "lists")
    assert found.models == made.models == ("a model (with / signs)", "random")
    assert (found.users, found.num_items) == (made.users, made.num_items)
    for model in found.models:
        assert isinstance(found[model], np.memmap)
        assert found[model].dtype == np.int32
        np.testing.assert_array_equal(found[model], made[model])
    found.check(DATA)


def test_first_come_the_targets_and_nothing_that_was_excluded() -> None:
    items = rank_lists(RANKERS, DATA, SETTINGS)[RANKERS[0].name]
    for user in range(len(DATA)):
        shown = items[user][items[user] >= 0]
        assert set(shown[: len(DATA.targets[user])]) == set(DATA.targets[user])
        assert not set(shown) & set(DATA.exclusions[user])
        assert len(set(shown)) == len(shown)


def test_blocks_of_any_size_give_equal_lists() -> None:
    wide = random_set(90, 6000, exclude=0.01)
    rankers = [RandomRanker(6000)]
    sizes = [EvaluationSettings(block_megabytes=size) for size in (1, 512)]
    small, large = (rank_lists(rankers, wide, one) for one in sizes)
    np.testing.assert_array_equal(small["random"], large["random"])


def test_a_ranker_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    wrong = RandomRanker(41)
    with pytest.raises(EvaluationError, match="expected"):
        rank_lists(
            [RandomRanker(40), replace(wrong, name="wrong")],
            DATA,
            SETTINGS,
            folder=tmp_path / "lists",
        )
    assert list(tmp_path.iterdir()) == []


def test_lists_of_nobody_are_saved_and_read(tmp_path: Path) -> None:
    nobody = replace(
        DATA,
        user_ids=DATA.user_ids[:0],
        warm=DATA.warm[:0],
        exclusions=DATA.exclusions.take(np.zeros(0, np.int64)),
        targets=DATA.targets.take(np.zeros(0, np.int64)),
        num_targets=DATA.num_targets[:0],
    )
    found = rank_lists([RandomRanker(40)], nobody, SETTINGS, folder=tmp_path / "lists")
    assert found["random"].shape == (0, 20)


def test_other_users_or_items_are_refused() -> None:
    made = rank_lists([RandomRanker(40)], DATA, SETTINGS)
    with pytest.raises(EvaluationError, match="other users"):
        made.check(random_set(49, 40))
    with pytest.raises(EvaluationError, match="41"):
        made.check(random_set(50, 41))
    ids = np.array(["ab", "c"], dtype=object)
    assert users_digest(ids) != users_digest(np.array(["a", "bc"], dtype=object))
    assert users_digest(ids) != users_digest(ids[::-1])


def test_what_holds_no_lists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no ranked lists"):
        Lists.load(tmp_path)
    (tmp_path / "lists.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(EvaluationError, match="format 99"):
        Lists.load(tmp_path)
    with pytest.raises(EvaluationError, match="no lists of the model 'other'"):
        rank_lists([RandomRanker(40)], DATA, SETTINGS)["other"]
