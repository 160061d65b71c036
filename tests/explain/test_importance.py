from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colisten.explain.importance import (
    CHANGED,
    EVERYTHING,
    LOG_PROBABILITY,
    Importance,
    Measuring,
    importance,
    item_groups,
    user_groups,
)
from colisten.explain.inputs import ExplanationInputs
from colisten.ranking.ragged import Ragged
from tests.explain.home import BLOCKS, Plant, inputs_of, write_home

QUICK = Measuring(repeats=3, resamples=200)


def measured(inputs: ExplanationInputs) -> Importance:
    return importance(
        inputs.towers,
        inputs.sample,
        inputs.user_features,
        inputs.item_features,
        QUICK,
    )


def test_an_empty_list_has_not_changed(inputs: ExplanationInputs) -> None:
    users, items = len(inputs.sample), len(inputs.sample.available)
    everything = Ragged.of(
        np.repeat(np.arange(users), items), np.tile(np.arange(items), users), users
    )
    nothing = Ragged.empty(users)
    sample = replace(inputs.sample, exclusions=everything, targets=nothing)
    found = importance(inputs.towers, sample, inputs.user_features, inputs.item_features, QUICK)
    assert {one.losses[CHANGED].value for one in found.groups} == {0.0}


def test_only_what_the_model_reads_matters(inputs: ExplanationInputs) -> None:
    found = measured(inputs)
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
    found = measured(inputs_of(out))
    # Users had the popular ones already, so it need not help; but it decides.
    assert (found.of("item", "popularity").losses[CHANGED].low or 0.0) > 0.2
    for group in ("text", "z", "genres"):
        losses = found.of("item", group).losses
        assert losses[LOG_PROBABILITY].value == pytest.approx(0.0, abs=1e-5)
        assert losses[CHANGED].value == 0.0


def test_the_untouched_model_is_measured_as_the_run_measures(inputs: ExplanationInputs) -> None:
    towers, sample = inputs.towers, inputs.sample
    scores = towers.users(inputs.user_features) @ inputs.release.item_vectors.T
    hits = ranks = 0.0
    for user in range(len(sample)):
        row = scores[user].copy()
        row[~sample.available] = -np.inf
        row[sample.exclusions[user]] = -np.inf
        order = np.argsort(-row, kind="stable").tolist()
        first = min(order.index(int(item)) for item in sample.targets[user])
        hits += first < 10
        ranks += 1 / (first + 1) if first < 100 else 0.0
    baseline = measured(inputs).baseline
    assert baseline["HR@10"] == pytest.approx(hits / len(sample))
    assert baseline["MRR"] == pytest.approx(ranks / len(sample), rel=1e-3)


def test_without_a_window_it_is_counted_what_changes(inputs: ExplanationInputs) -> None:
    sample = inputs.sample
    silent = type(sample)(
        sample.user_ids,
        sample.warm,
        sample.exclusions,
        sample.available,
        Ragged.empty(len(sample)),
    )
    found = importance(inputs.towers, silent, inputs.user_features, inputs.item_features, QUICK)
    assert found.baseline == {}
    assert set(found.of("user", Plant().user).losses) == {CHANGED}
    assert (found.of("user", Plant().user).losses[CHANGED].low or 0.0) > 0.05
    assert found.of("user", "country").losses[CHANGED].value == 0.0


def test_equal_seeds_give_equal_figures(inputs: ExplanationInputs) -> None:
    assert measured(inputs) == measured(inputs)


def test_every_user_column_is_in_one_group(inputs: ExplanationInputs) -> None:
    spec = inputs.towers.user_spec
    groups = user_groups(spec, BLOCKS)
    names = np.array(spec.names())
    assert set(groups) == {
        "country",
        "age",
        "music taste",
        *(f"{part} of {kind} history" for kind in spec.types for part in ("text", "z", "counts")),
        EVERYTHING,
    }
    parts = [columns for name, columns in groups.items() if name != EVERYTHING]
    assert sorted(np.concatenate(parts)) == groups[EVERYTHING].tolist() == list(range(spec.width))
    assert names[groups["z of podcast history"]].tolist() == [
        f"podcast_mean_{at}" for at in range(6, 10)
    ]
    assert names[groups["age"]].tolist() == ["age", "age_missing"]


def test_every_item_column_is_in_one_group(inputs: ExplanationInputs) -> None:
    spec = inputs.towers.item_spec
    groups = item_groups(spec)
    assert set(groups) == {"language", "genres", "text", "z", "popularity", EVERYTHING}
    parts = [columns for name, columns in groups.items() if name != EVERYTHING]
    assert sorted(np.concatenate(parts)) == groups[EVERYTHING].tolist() == list(range(spec.width))
    # A block's vectors and the flag that says they are missing.
    assert len(groups["text"]) == 6 + 1
    assert len(groups["z"]) == 4 + 1
    vectors = inputs.release.history_vectors[inputs.release.target]
    assert np.allclose(inputs.item_features[:, groups["text"][1:]], vectors[:, :6])
    assert np.allclose(inputs.item_features[:, groups["z"][1:]], vectors[:, 6:])


def test_blocks_of_unknown_make_are_one(inputs: ExplanationInputs) -> None:
    groups = user_groups(inputs.towers.user_spec, {})
    assert len(groups["vectors of podcast history"]) == sum(BLOCKS.values())
