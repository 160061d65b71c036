from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colisten.config import Settings
from colisten.explanation.groups import EVERYTHING
from colisten.explanation.importance import (
    CHANGED,
    LOG_PROBABILITY,
    Importance,
    Measuring,
    importance,
)
from colisten.explanation.material import Material
from colisten.ranking.ragged import Ragged
from tests.explanation.home import Plant, write_home

QUICK = Measuring(repeats=3, resamples=200)


def measured(material: Material) -> Importance:
    return importance(
        material.towers,
        material.question,
        material.user_features,
        material.item_features,
        QUICK,
    )


def test_an_empty_list_has_not_changed(material: Material) -> None:
    users, items = len(material.question), len(material.question.available)
    everything = Ragged.of(
        np.repeat(np.arange(users), items), np.tile(np.arange(items), users), users
    )
    nothing = Ragged.empty(users)
    question = replace(material.question, exclusions=everything, targets=nothing)
    found = importance(
        material.towers, question, material.user_features, material.item_features, QUICK
    )
    assert {one.losses[CHANGED].value for one in found.groups} == {0.0}


def test_only_what_the_model_reads_matters(material: Material) -> None:
    found = measured(material)
    assert {one.side for one in found.groups} == {"user", "item"}
    read = {("user", Plant().user), ("item", Plant().item)}
    for one in found.groups:
        loss, changed = one.losses[LOG_PROBABILITY], one.losses[CHANGED]
        if (one.side, one.group) in read or one.group == EVERYTHING:
            assert loss.low is not None, one.group
            assert loss.low > 0.05, one.group
            assert (changed.low or 0.0) > 0.05, one.group
            assert one.losses["MRR"].value is not None
        else:
            assert loss.value == pytest.approx(0.0, abs=1e-5), one.group
            assert changed.value == 0.0, one.group
            assert one.losses["HR@10"].value == 0.0, one.group
    assert len(found.groups) > 12


def test_a_model_of_popularity_alone(
    tiny_source: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = write_home(
        tmp_path_factory.mktemp("popular"),
        tiny_source,
        Plant(user="counts of podcast history", item="language", popularity=1.0),
    )
    found = measured(Material.read(out, sample=2000, seed=0, settings=Settings()))
    # Users had the popular ones already, so it need not help; but it decides.
    assert (found.of("item", "popularity").losses[CHANGED].low or 0.0) > 0.2
    for group in ("text", "z", "genres"):
        losses = found.of("item", group).losses
        assert losses[LOG_PROBABILITY].value == pytest.approx(0.0, abs=1e-5)
        assert losses[CHANGED].value == 0.0


def test_the_untouched_model_is_measured_as_the_run_measures(material: Material) -> None:
    towers, question = material.towers, material.question
    scores = towers.users(material.user_features) @ material.release.item_vectors.T
    hits = ranks = 0.0
    for user in range(len(question)):
        row = scores[user].copy()
        row[~question.available] = -np.inf
        row[question.exclusions[user]] = -np.inf
        order = np.argsort(-row, kind="stable").tolist()
        first = min(order.index(int(item)) for item in question.targets[user])
        hits += first < 10
        ranks += 1 / (first + 1) if first < 100 else 0.0
    baseline = measured(material).baseline
    assert baseline["HR@10"] == pytest.approx(hits / len(question))
    assert baseline["MRR"] == pytest.approx(ranks / len(question), rel=1e-3)


def test_without_a_window_it_is_counted_what_changes(material: Material) -> None:
    question = material.question
    silent = type(question)(
        question.user_ids,
        question.warm,
        question.exclusions,
        question.available,
        Ragged.empty(len(question)),
    )
    found = importance(
        material.towers, silent, material.user_features, material.item_features, QUICK
    )
    assert found.baseline == {}
    assert set(found.of("user", Plant().user).losses) == {CHANGED}
    assert (found.of("user", Plant().user).losses[CHANGED].low or 0.0) > 0.05
    assert found.of("user", "country").losses[CHANGED].value == 0.0


def test_equal_seeds_give_equal_figures(material: Material) -> None:
    assert measured(material) == measured(material)
