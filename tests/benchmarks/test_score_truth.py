"""Scores of the small demo's release against what was started after its cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.score_truth import after_the_cut

MOST_ERROR = 0.01


@pytest.mark.slow
def test_scores_are_true_on_a_window_that_nothing_was_learned_from(
    small_demo: tuple[Path, dict[str, Any]],
) -> None:
    found = after_the_cut(small_demo[0] / "run")
    shown = found["after"]["shown"]
    assert shown["pairs"] == 10 * found["users"] > 10_000
    assert shown["starts"] > 200
    assert found["backtest"]["shown"]["error"] < MOST_ERROR, "its own window, users it has not seen"
    assert shown["error"] < MOST_ERROR
    # They tell users and titles apart, which one rate for all does not.
    assert shown["log_loss"] < 0.95 * found["instead"]["one rate for all"]["log_loss"]
    # What a table of hit rates would promise is far off, and this measure says so.
    eager = found["instead"]["a rule of those who start something"]
    assert eager["error"] > 2 * MOST_ERROR
    told = found["explained"]
    assert told["with_path"] > 0.5 * told["titles"]
