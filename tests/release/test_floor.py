"""Never below the obvious: which slices of users decide, when they do, and what is then said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import GateRefused
from colisten.evaluation.slices import Slice
from colisten.evaluation.split import EvaluationSet
from colisten.evaluation.table import evaluate
from colisten.ranking.rankers import RandomRanker, Ranker
from colisten.release.backtest import Backtest
from colisten.release.floor import LEAST_USERS, Floor, against_popularity
from colisten.release.gate import GateDecision, decide
from colisten.settings.sections import EvaluationSettings, GateSettings
from tests.evaluation.conftest import Scores, perfect, random_set

ITEMS = 60
QUICK = EvaluationSettings(bootstrap=200, depth=40)
# Nothing but the floor refuses.
GATE = GateSettings(min_coverage=0.0, min_lift_over_random=0.0)


def measured(
    data: EvaluationSet, own: np.ndarray, popular: np.ndarray, finer: tuple[Slice, ...] = ()
) -> dict[str, Any]:
    """A table of a model with some scores beside a popularity list with others."""
    models: list[Ranker] = [
        RandomRanker(ITEMS),
        Scores("popularity", popular),
        Scores("2T-HGNN", own),
    ]
    return evaluate(models, data, QUICK, 0, finer=finer).model_dump(mode="json")


def judged(table: dict[str, Any]) -> Floor:
    return against_popularity(Backtest(table))


def refused(decision: GateDecision) -> list[str]:
    return [reason for reason in decision.reasons if "is surely below" in reason]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), users=st.integers(1, 200))
def test_popularity_itself_never_violates(seed: int, users: int) -> None:
    data = random_set(users, ITEMS, seed=seed)
    scores = np.tile(np.random.default_rng(seed).random(ITEMS), (users, 1))
    halves = tuple(
        Slice(name, np.arange(at, users, 2)) for at, name in enumerate(("text", "no text"))
    )
    table = measured(data, scores, scores, halves if users > 1 else ())
    assert not judged(table).below
    assert not judged(table).doubtful
    assert not refused(decide(table, None, GATE))
    named = evaluate([Scores("popularity", scores)], data, QUICK, 0, subject="popularity")
    alone = decide(named.model_dump(mode="json"), None, GATE)
    assert not refused(alone)
    assert not any("popularity" in warning for warning in alone.warnings)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), users=st.integers(2 * LEAST_USERS, 300))
def test_a_slice_that_hits_nothing_always_violates(seed: int, users: int) -> None:
    """Cold users get what they never start; popular items are what they all start."""
    data = random_set(users, ITEMS, seed=seed, warm=0.5)
    cold = np.flatnonzero(~data.warm)
    good = perfect(data).matrix
    own = good.copy()
    own[cold] = -good[cold]
    decision = decide(measured(data, own, good), None, GATE)
    if len(cold) < LEAST_USERS:
        assert not any("'cold'" in reason for reason in decision.reasons)
        return
    assert not decision.passed
    (reason,) = [one for one in refused(decision) if "'cold'" in one]
    assert f"{len(cold):,} cold users" in reason
    assert "HR@10 0.0000 of 2T-HGNN is surely below 1.0000 of popularity" in reason
    assert "MRR" in reason
    with pytest.raises(GateRefused, match=r"gate\.below_popularity=warn"):
        decision.require()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), few=st.integers(1, LEAST_USERS - 1))
def test_a_few_users_never_decide(seed: int, few: int) -> None:
    """One user, or fewer than the limit, on whom the model fails as badly as it can."""
    data = random_set(120, ITEMS, seed=seed)
    good = perfect(data).matrix
    own = good.copy()
    own[:few] = -good[:few]
    table = measured(data, own, good, (Slice("no text", np.arange(few)),))
    assert "no text" not in {one.part for one in judged(table).comparisons}
    alone = random_set(few, ITEMS, seed=seed)
    worst = perfect(alone).matrix
    decision = decide(measured(alone, -worst, worst), None, GATE)
    assert not refused(decision)
    assert any(f"no slice has {LEAST_USERS} users" in one for one in decision.warnings)


def planted(users: int = 200) -> dict[str, Any]:
    """A model that fails on the cold."""
    data = random_set(users, ITEMS, warm=0.6)
    good = perfect(data).matrix
    return measured(data, np.where(data.warm[:, None], good, -good), good)


def test_a_team_may_turn_it_into_a_notice() -> None:
    strict = decide(planted(), None, GATE)
    warned = decide(planted(), None, GATE.model_copy(update={"below_popularity": "warn"}))
    assert not strict.passed
    assert warned.passed
    assert any("'cold'" in one and "is surely below" in one for one in warned.warnings)
    assert not any("popularity" in reason for reason in warned.reasons)


def gap_of(value: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    """A table of 500 users whose one comparison is this."""
    metrics = {"HR@10": {"value": 0.2, "low": 0.1, "high": 0.3}}
    names = {"slice": "all", "users": 500, "metrics": metrics}
    gap = {"model": "2T-HGNN", "against": "popularity", "slice": "all", "metric": "HR@10"}
    return {
        "users": {"all": 500, "warm": 500, "cold": 0},
        "rows": [{"model": name, **names} for name in ("2T-HGNN", "popularity")],
        "differences": [{**gap, "value": value, "low": low, "high": high, **more}],
    }


def test_several_comparisons_share_the_doubt() -> None:
    one = judged(gap_of(-0.04, -0.075, -0.005))
    assert [each.below for each in one.comparisons] == [True], "warm is all again: one comparison"
    assert one.comparisons[0].held.high == pytest.approx(-0.005)
    table = gap_of(-0.04, -0.075, -0.005)
    for part in ("cold", "3-9 events", "10+ events"):
        table["users"][part] = 200
        table["rows"] += [{**row, "slice": part} for row in table["rows"][:2]]
        table["differences"].append({**table["differences"][0], "slice": part, "value": 0.0})
        table["differences"][-1] |= {"low": -0.03, "high": 0.03}
    four = judged(table)
    assert len(four.comparisons) == 4
    assert not four.below
    assert [each.part for each in four.doubtful] == ["all"]
    # Two-sided 5 % over four comparisons: 2.498 standard errors and no longer 1.960.
    assert four.comparisons[0].held.high == pytest.approx(-0.04 + 0.035 * 2.4977 / 1.96, abs=1e-4)
    assert "not surely among 4 comparisons: all (500 users, HR@10 -0.0400" in four.doubts()
    assert not refused(decide(table, None, GATE))


def test_a_hit_rate_must_fail_the_exact_test_too() -> None:
    """Seven users lost and none won: the bootstrap is sure of it, the exact test is less so."""
    assert judged(gap_of(-0.04, -0.07, -0.01, p_test=0.01)).below
    doubted = judged(gap_of(-0.04, -0.07, -0.01, p_test=0.06))
    assert not doubted.below
    assert doubted.doubtful


def test_without_an_interval_nothing_is_sure() -> None:
    table = gap_of(-1.0, 0.0, 0.0)
    table["differences"][0] |= {"low": None, "high": None}
    assert not judged(table).below


def test_an_evaluation_without_popularity_is_said() -> None:
    data = random_set(80, ITEMS)
    models: list[Ranker] = [RandomRanker(ITEMS), perfect(data, "2T-HGNN")]
    decision = decide(evaluate(models, data, QUICK, 0).model_dump(mode="json"), None, GATE)
    assert decision.passed
    assert any("the evaluation has no popularity" in one for one in decision.warnings)


def test_all_is_well_in_one_sentence() -> None:
    data = random_set(200, ITEMS)
    decision = decide(measured(data, perfect(data).matrix, np.ones((200, ITEMS))), None, GATE)
    sentence = "2T-HGNN is nowhere surely below popularity: HR@10 and MRR on 3 slices of 30 users"
    assert any(sentence in reason for reason in decision.reasons)
    assert not decision.warnings
