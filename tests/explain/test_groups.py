from __future__ import annotations

import numpy as np

from colisten.explain.groups import EVERYTHING, item_groups, user_groups
from colisten.explain.inputs import ExplanationInputs
from tests.explain.home import BLOCKS


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
