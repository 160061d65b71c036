from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from colisten.explain.calibration import Calibration
from colisten.explain.explanation import NO_WINDOW, Explanation, drives, moved, trust, verdicts
from colisten.explain.importance import CHANGED, GroupImportance, Importance
from colisten.explain.inputs import ExplanationInputs
from colisten.reports.explanation import to_html
from colisten.statistics.interval import Estimate
from tests.explain.home import Plant


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


def with_calibration(explanation: Explanation, **changes: Any) -> Explanation:
    whole = explanation.calibration["all"]
    assert isinstance(whole, Calibration)
    changed = whole.model_copy(update=changes)
    return explanation.model_copy(update={"calibration": {"all": changed}})


def test_what_drives_is_named_with_its_size(explanation: Explanation) -> None:
    said = verdicts(explanation)
    assert len(said) == 4
    assert f"{Plant().user} matters most: taken from another user" in said[0]
    assert "about items, text matters most" in said[1]
    assert "times less likely" in said[0]


@pytest.mark.parametrize(
    ("slope", "said"),
    [
        ((0.8, 0.7, 0.9), "too sure of itself (calibration slope 0.80, 0.70 to 0.90)"),
        ((1.2, 1.1, 1.3), "not sure enough"),
        ((1.0, 0.9, 1.1), "as sure of itself as it should be"),
    ],
)
def test_the_slope_in_words(
    explanation: Explanation, slope: tuple[float, float, float], said: str
) -> None:
    value, low, high = slope
    found = with_calibration(explanation, slope=Estimate(value=value, low=low, high=high))
    assert said in trust(found)


def test_an_error_that_chance_explains_is_not_held_against_the_model(
    explanation: Explanation,
) -> None:
    truth = Estimate(value=0.05, high=0.08)
    assert "off by more than chance" in trust(
        with_calibration(explanation, error=0.2, error_of_truth=truth)
    )
    assert "cannot be distinguished from true ones" in trust(
        with_calibration(explanation, error=0.07, error_of_truth=truth)
    )


def test_no_window_is_said_and_the_rest_stands(explanation: Explanation) -> None:
    groups = [
        one.model_copy(update={"losses": {CHANGED: one.losses[CHANGED]}})
        for one in explanation.importance.groups
    ]
    told = explanation.importance.model_copy(update={"baseline": {}, "groups": groups})
    assert isinstance(told, Importance)
    silent = explanation.model_copy(
        update={"calibration": dict.fromkeys(("all", "warm", "cold")), "importance": told}
    )
    assert trust(silent) == NO_WINDOW
    assert "changes" in drives(silent, "user")
    assert "of a list" in drives(silent, "user")
    assert moved(silent) == moved(explanation) != ""


def test_nothing_is_claimed_that_is_not_sure(explanation: Explanation) -> None:
    nothing = Estimate(value=0.01, low=-0.1, high=0.1)
    groups = [
        one.model_copy(update={"losses": dict.fromkeys(one.losses, nothing)})
        for one in explanation.importance.groups
    ]
    told = explanation.importance.model_copy(update={"groups": groups})
    unsure = explanation.model_copy(update={"importance": told})
    assert drives(unsure, "item") == "No single input about items surely matters."


def test_the_sentence_and_the_page_have_one_verdict(explanation: Explanation) -> None:
    nothing, sure = Estimate(value=0.01, low=-0.1, high=0.1), Estimate(value=0.2, low=0.1, high=0.3)

    def losses(one: GroupImportance) -> dict[str, Estimate]:
        by_mrr = {"MRR"} if one.group == "text" else set()
        return {name: sure if name in {CHANGED} | by_mrr else nothing for name in one.losses}

    groups = [
        one.model_copy(update={"losses": losses(one)}) for one in explanation.importance.groups
    ]
    importance = explanation.importance.model_copy(update={"groups": groups})
    unsure = explanation.model_copy(update={"importance": importance})
    assert drives(unsure, "item") == (
        "No single input about items surely matters by log-probability; what surely does: text by "
        "MRR."
    )
    assert drives(unsure, "user") == "No single input about users surely matters."
    rows = re.findall(r"<tr[^>]*><td>\w+: .*?</tr>", str(to_html(unsure)))
    marked = [row for row in rows if 'class="good"' in row]
    assert len(marked) == 1
    assert "text" in marked[0]


def test_of_few_users_nothing_is_concluded(explanation: Explanation) -> None:
    few = explanation.model_copy(update={"users": 2})
    assert verdicts(few) == [
        "Only 2 users could be asked: too few to say what matters and how truly.",
        moved(explanation),
    ]
    assert trust(with_calibration(explanation, users=1)) == (
        "Only 1 user started anything: too few to judge probabilities."
    )
