"""Every rule of the gate, on both sides of its limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.errors import GateRefused
from colisten.evaluation.table import evaluate
from colisten.ranking.rankers import RandomRanker
from colisten.release.gate import decide
from colisten.settings.sections import EvaluationSettings, GateSettings
from tests.evaluation.conftest import Scores, perfect, random_set
from tests.release.payloads import metrics

GATE = GateSettings()


@pytest.mark.parametrize(
    ("candidate", "live", "recall", "passes", "says"),
    [
        (metrics(0.3), None, None, True, "random"),
        (metrics(0.3), metrics(0.3), 0.99, True, "live release"),
        (metrics(0.05, chance=0.05), None, None, False, "random"),
        (metrics(0.0, chance=0.0), None, None, False, "random"),
        (metrics(0.3, coverage=0.005), None, None, False, "coverage"),
        (metrics(0.3), None, 0.9, False, "index recall"),
        (metrics(0.20), metrics(0.3), None, False, "live release"),
        (metrics(0.25), metrics(0.3), None, True, "live release"),
        # Below the limit by value, but the few users measured do not show it.
        (metrics(0.20, width=0.1), metrics(0.3), None, True, "live release"),
        (metrics(0.9), metrics(0.3), None, True, "live release"),
    ],
)
def test_each_rule(
    candidate: dict[str, Any],
    live: dict[str, Any] | None,
    recall: float | None,
    passes: bool,
    says: str,
) -> None:
    decision = decide(candidate, live, GATE, index_recall=recall)
    assert decision.passed is passes
    matching = [reason for reason in decision.reasons if says in reason]
    assert len(matching) == 1
    if not passes:
        assert decision.reasons[0] == matching[0], "what failed comes first"
        with pytest.raises(GateRefused, match=says):
            decision.require()
    else:
        decision.require()
    assert any(character.isdigit() for character in matching[0])
    assert decision.to_dict()["passed"] is passes


FULL: dict[str, Any] = {"chance": 1.0, "coverage": 1.0}


@pytest.mark.parametrize(
    ("candidate", "lift", "passes", "says"),
    [
        # A list of k holds the whole catalogue: the order is what is left to judge.
        (metrics(1.0, mrr=(0.7, 0.5), **FULL), 1.0, True, "MRR 0.7000 is above 1 x a random"),
        (metrics(1.0, mrr=(0.5, 0.5), **FULL), 1.0, False, "MRR 0.5000 is not above 1 x a random"),
        (metrics(1.0, mrr=(0.7, 0.5), **FULL), 1.5, False, "MRR 0.7000 is not above 1.5 x"),
        # No hit rate exceeds three times 0.4.
        (metrics(0.9, chance=0.4, mrr=(0.7, 0.2)), 3.0, True, "MRR 0.7000 is above 3 x a random"),
        (metrics(0.9, chance=0.4, mrr=(0.5, 0.2)), 3.0, False, "MRR 0.5000 is not above 3 x"),
        # A multiple that no list can reach is a limit all the same.
        (metrics(0.9, chance=0.4, mrr=(0.9, 0.2)), 10.0, False, "MRR 0.9000 is not above 10 x"),
        (metrics(0.9, chance=0.9), 1.0, False, "HR@10 0.9000 [0.8800, 0.9200] is not above 1 x"),
        (metrics(0.91, chance=0.9), 1.0, True, "HR@10 0.9100 [0.8900, 0.9300] is above 1 x"),
    ],
)
def test_where_chance_hits_everything_the_order_decides(
    candidate: dict[str, Any], lift: float, passes: bool, says: str
) -> None:
    decision = decide(candidate, None, GateSettings(min_lift_over_random=lift))
    assert decision.passed is passes
    assert any(says in reason for reason in decision.reasons)
    assert not decision.warnings


def test_in_a_small_catalogue_chance_is_given_its_room() -> None:
    candidate = metrics(1.0, mrr=(0.7, 0.75), **FULL)
    assert not decide(candidate, None, GATE).passed
    candidate["rows"][1]["metrics"]["MRR"] |= {"low": 0.6, "high": 0.8}
    decision = decide(candidate, None, GATE)
    assert decision.passed
    assert any("reaches above" in reason for reason in decision.reasons)
    assert "its interval reaches it" in decision.warnings[0]
    candidate["rows"][1]["metrics"]["MRR"]["high"] = 0.74
    assert not decide(candidate, None, GATE).passed


def test_one_title_cannot_be_judged_and_passes() -> None:
    decision = decide(metrics(1.0, mrr=(1.0, 1.0), **FULL), None, GATE)
    assert decision.passed
    assert "not judged" in decision.warnings[0]
    assert not any("random" in reason for reason in decision.reasons)
    low = decide(metrics(1.0, mrr=(1.0, 1.0), chance=1.0, coverage=0.0), None, GATE)
    assert not low.passed


@given(
    value=st.floats(0, 1),
    chance=st.floats(0, 1),
    orders=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    coverage=st.floats(0, 1),
    live=st.none() | st.floats(0, 1),
    lift=st.floats(0, 20),
)
def test_a_sentence_says_whether_its_rule_was_kept(
    value: float,
    chance: float,
    orders: tuple[float, float],
    coverage: float,
    live: float | None,
    lift: float,
) -> None:
    gate = GateSettings(min_lift_over_random=lift)
    rival = None if live is None else metrics(live)
    decision = decide(metrics(value, chance=chance, mrr=orders, coverage=coverage), rival, gate)
    broken = ("is below", "is not above", "has fallen", "is surely below")
    kept = ("is at least", "is above", "reaches above", "has not fallen", "is nowhere surely below")
    told = [any(word in reason for word in broken) for reason in decision.reasons]
    assert [any(word in reason for word in kept) for reason in decision.reasons] == [
        not one for one in told
    ]
    assert told == sorted(told, reverse=True), "what failed comes first"
    assert decision.passed is not any(told)


def test_an_uncertain_fall_is_a_warning() -> None:
    decision = decide(metrics(0.20, width=0.1), metrics(0.3), GATE)
    assert any("interval reaches it" in warning for warning in decision.warnings)


def test_without_users_it_passes_and_says_so() -> None:
    decision = decide(metrics(0.0, users=0), metrics(0.3), GATE)
    assert decision.passed
    assert "not judged" in decision.warnings[0]
    assert not decide(metrics(0.0, users=0), None, GATE, index_recall=0.1).passed


def test_a_live_release_without_users_is_no_rival() -> None:
    decision = decide(metrics(0.1), metrics(0.3, users=0), GATE)
    assert decision.passed
    assert "compare" in decision.warnings[0]


def test_a_table_without_the_subject_or_chance_fails() -> None:
    for model in ("2T-HGNN", "random"):
        table = metrics(0.3)
        table["rows"] = [row for row in table["rows"] if row["model"] != model]
        decision = decide(table, None, GATE)
        assert not decision.passed
        assert model in decision.reasons[0]


@given(
    value=st.floats(0, 1),
    live=st.floats(0.01, 1),
    drop=st.floats(0, 1),
    width=st.floats(0, 0.2),
)
def test_a_better_candidate_is_never_refused_for_a_fall(
    value: float, live: float, drop: float, width: float
) -> None:
    gate = GateSettings(max_drop=drop, min_lift_over_random=0.0)
    decision = decide(metrics(value + 1e-9, width=width), metrics(live), gate)
    assert decision.passed or value + width < live


def test_it_reads_what_evaluation_writes() -> None:
    """The gate's keys are those of a real table."""
    window = random_set(200, 50)
    popular = Scores("popularity", np.tile(np.arange(50.0), (200, 1)))
    rankers = (RandomRanker(50), popular, perfect(window, "2T-HGNN"))
    table = evaluate(rankers, window, EvaluationSettings(), 0).model_dump(mode="json")
    decision = decide(table, table, GATE)
    assert decision.passed
    assert len(decision.reasons) == 4
    assert not decision.warnings
