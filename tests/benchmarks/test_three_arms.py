"""Three arms, as the report reads them and in truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.pairs import read_result
from benchmarks.three_arms import GRAPH, INCUMBENT, METRIC, TOWERS, holds, markdown
from colisten.experiments.truth import TRUTH
from colisten.json_files import read_mapping


def test_the_committed_order_is_that_of_the_paper_and_the_truth() -> None:
    result = read_result("three_arms")
    rates = [result["arms"][arm][METRIC] for arm in (GRAPH, TOWERS, INCUMBENT)]
    assert rates[0][0] > rates[1][0] > rates[2][0]
    assert all(one["lift"][1] > 0 for one in result["lifts"]), "and no interval holds zero"
    assert all(holds(arm, METRIC) for arm in result["arms"].values())
    assert all(holds(lift, "lift") for lift in result["lifts"])
    assert result["split_is_sound"]
    assert "in truth" in markdown(result)


@pytest.mark.slow
def test_what_the_demo_reads_is_what_its_arms_are_worth(
    small_demo: tuple[Path, dict[str, Any]],
) -> None:
    folder, document = small_demo
    truth = read_mapping(folder / "run" / "experiment" / TRUTH)["arms"]
    assert set(truth) == {arm["name"] for arm in document["experiment"]["arms"]}
    for arm in document["experiment"]["arms"]:
        for name in (METRIC, "stream_rate"):
            chance = truth[arm["name"]][name]
            error = np.sqrt(chance * (1 - chance) / arm["users"])
            assert abs(arm["values"][name]["value"] - chance) < 3.5 * error
