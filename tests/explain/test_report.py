from __future__ import annotations

import numpy as np

from colisten.explain.inputs import ExplanationInputs
from colisten.explain.report import Explanation


def test_it_is_read_back_from_its_json(explanation: Explanation) -> None:
    assert Explanation.model_validate_json(explanation.model_dump_json()) == explanation


def test_slices_are_parts_of_the_whole(inputs: ExplanationInputs, explanation: Explanation) -> None:
    parts = explanation.calibration
    assert set(parts) == {"all", "warm", "cold"}
    whole = parts["all"]
    assert whole is not None
    assert whole.choices == len(inputs.sample.targets.values)
    assert whole.users == sum(one.users for one in (parts["warm"], parts["cold"]) if one)


def test_spaces_hold_the_vectors_they_are_named_after(
    inputs: ExplanationInputs, explanation: Explanation
) -> None:
    spaces = {view.space: view for view in explanation.map}
    assert set(spaces) == {"taste", "text", "z"}
    target = inputs.release.target
    assert len(spaces["z"].points) == len(inputs.catalogue)
    assert {point.item for point in spaces["taste"].points} == set(range(target.start, target.stop))
    text = np.asarray(inputs.release.history_vectors[target, :6])
    for example in explanation.neighbourhoods.examples:
        own = text[example.item - target.start]
        for near in example.neighbours["text"]:
            cosine = own @ text[near.item - target.start]
            assert abs(cosine - near.cosine) < 1e-5


def test_everything_named_has_a_label(inputs: ExplanationInputs, explanation: Explanation) -> None:
    for item, label in explanation.items.items():
        assert label.item_id == inputs.catalogue.item_ids[item]
        assert label.title
        assert label.streams == inputs.streams[item]
    assert {point.item for view in explanation.map for point in view.points} <= set(
        explanation.items
    )
