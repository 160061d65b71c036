"""What the simulated worlds are to show is judged anew from whatever the result files say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import links, pairs, world_claims, worlds
from benchmarks.worlds import paired_gap

PARTS = ("all", "cold", *worlds.TAIL, worlds.NEW)
HIT_RATE = st.none() | st.floats(0, 1)


@pytest.mark.parametrize(
    ("low", "high", "above", "no_worse"),
    [
        (0.01, 0.03, "yes", "yes"),
        (-0.01, 0.03, "no", "yes"),
        (-0.03, -0.01, "no", "no"),
    ],
)
def test_a_claim_is_what_its_interval_allows(
    low: float,
    high: float,
    above: str,
    no_worse: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pairs, "RESULTS", tmp_path)
    assert {each.verdict for each in world_claims.claims()} == {"not measured"}
    gap = {"mean": (low + high) / 2, "low": low, "high": high}
    others = (worlds.WITHOUT, "text-KNN", *(each.name for each in worlds.ROWS))
    minus = {model: {f"{part} HR@10": gap for part in PARTS} for model in others}
    pairs.write_result(worlds.NAME, {"2T-HGNN minus": minus})
    pairs.write_result(links.NAME, {"HR@10": {worlds.NEW: {links.TWICE: gap}}})
    for each in world_claims.claims():
        wanted = above if f"above {worlds.WITHOUT}," in each.words else no_worse
        assert each.verdict == wanted, each.words
        assert f"| {each.words} | " in world_claims.markdown()


@given(st.lists(st.tuples(HIT_RATE, HIT_RATE), max_size=8), st.sampled_from([1.0, 2.0]))
def test_a_gap_is_that_of_the_worlds_that_have_both(
    both: list[tuple[float | None, float | None]], times: float
) -> None:
    gap = paired_gap([one for one, _ in both], [two for _, two in both], times=times)
    known = [one - times * two for one, two in both if one is not None and two is not None]
    if len(known) < 2:
        assert gap is None
        return
    assert gap is not None
    assert gap["mean"] == pytest.approx(sum(known) / len(known), abs=1e-4)
    assert gap["low"] <= gap["mean"] <= gap["high"]
