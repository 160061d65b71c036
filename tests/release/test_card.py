"""A model card says what the figures say, for releases of any age, in words and on a page."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from colisten.evaluation.slices import NEW_ITEMS, Slice
from colisten.evaluation.table import evaluate
from colisten.json_files import parse_json, to_json
from colisten.models.choices import Choice, Figures
from colisten.ranking.rankers import RandomRanker, Ranker
from colisten.release.card import ABOVE, BELOW, FEW, UNSURE, Card
from colisten.release.manifest import Manifest
from colisten.release.payload import bind_payload
from colisten.reports.card import to_html
from colisten.reports.terminal import card_to_rich
from colisten.settings.sections import EvaluationSettings
from tests.evaluation.conftest import Scores, perfect, random_set
from tests.release.payloads import metrics

ITEMS, USERS = 60, 240
CHOICE = Choice(
    question="Does the graph help?",
    chosen="text,z",
    reason="It leads by two standard errors.",
    candidates={
        "text,z": Figures(mrr=0.31, error=0.01, users=240),
        "text": Figures(mrr=0.28, error=0.01, users=240),
    },
)


def table(few: int = 9) -> dict[str, Any]:
    """Perfect for the warm, hopeless for the cold, unknown for a few; titles nobody had started."""
    data = random_set(USERS, ITEMS, warm=0.6)
    good = perfect(data).matrix
    own = np.where(data.warm[:, None], good, -good)
    half = good * (np.arange(USERS) % 2)[:, None] + np.arange(ITEMS) / 1000
    models: list[Ranker] = [
        RandomRanker(ITEMS),
        Scores("popularity", half),
        Scores("text-KNN", good),
        Scores("2T-HGNN", own),
    ]
    fresh = np.arange(ITEMS) >= ITEMS // 2
    new, old = (np.unique(data.targets.rows[own[data.targets.values]]) for own in (fresh, ~fresh))
    finer = (
        Slice("1-2 events", np.arange(few)),
        Slice("10+ events", np.arange(few, USERS)),
        Slice("tier 1", old, ~fresh),
        Slice(NEW_ITEMS, new, fresh),
    )
    settings = EvaluationSettings(bootstrap=200, depth=40)
    return evaluate(models, data, settings, 0, finer=finer).model_dump(mode="json")


def manifest(figures: dict[str, Any], **more: Any) -> Manifest:
    content: dict[str, Any] = {
        "as_of": "2025-06-30T00:00:00+00:00",
        "target_type": "audiobook",
        "feature_service": "serving_v1",
        "counts": {"events": 5000, "users": 300},
        "dims": {},
        "settings": {},
        "metrics": figures,
        "release_id": "r0123456789abcdef",
        "collection": "release_r0123456789abcdef",
        "files": {},
    }
    return Manifest(**{**content, **more})


def in_terminal(card: Card) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(card_to_rich(card))
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def test_each_slice_stands_where_its_figures_say() -> None:
    card = Card.of(manifest(table()))
    found = {(one.part, one.metric): one for one in card.standing}
    assert {part for part, _ in found} == {
        "all", "warm", "cold", "1-2 events", "10+ events", NEW_ITEMS
    }  # fmt: skip
    assert found["warm", "HR@10"].verdict == ABOVE
    assert found["cold", "HR@10"].verdict == BELOW
    assert found["1-2 events", "MRR"].verdict == FEW
    cold = found["cold", "MRR"]
    assert cold.gap is not None
    assert cold.popular is not None
    assert abs(cold.gap.value - (cold.own.value - cold.popular.value)) < 1e-9
    assert cold.rival == "text-KNN"
    assert {one.rival for one in card.standing} == {"text-KNN"}, "never chance, never itself"
    assert card.users["all"] == USERS


def test_what_it_is_not_good_at_is_said() -> None:
    limits = Card.of(manifest(table())).limits
    assert any(each.startswith("Worse than popular items for cold users") for each in limits)
    assert any(each.startswith("Worse than text-KNN for cold users") for each in limits)
    assert not any("for warm users" in each for each in limits)
    assert any("Not sure about users with 1-2 events: 9 of them" in each for each in limits)
    assert any(each.startswith("Titles that nobody had started") and "%" in each for each in limits)


def test_a_model_as_good_as_popularity_is_not_surely_better() -> None:
    card = Card.of(manifest(metrics(0.3)))
    assert {one.verdict for one in card.standing} == {UNSURE}
    assert any(
        each.startswith("Not surely better than popular items for all users (500): HR@10 0.3000")
        for each in card.limits
    )
    assert any("not measured" in each for each in card.limits)
    assert not any("warm" in each for each in card.limits), "they are all users again"


def test_without_figures_there_is_a_card() -> None:
    empty: list[dict[str, Any]] = [{}, metrics(0.0, users=0) | {"rows": []}]
    for figures in empty:
        card = Card.of(manifest(figures))
        assert card.standing == ()
        assert "Nothing is known" in card.limits[0]
        assert "Nothing was measured" in to_html(card)
        assert "Nothing is known" in in_terminal(card)


def test_the_page_and_the_terminal_tell_the_same() -> None:
    made = {"colisten": "0.1.0", "numpy": "2.0"}
    card = Card.of(manifest(table(), choices=(CHOICE,)), made)
    page, shown = to_html(card), in_terminal(card)
    joined = " ".join(shown.split())
    for text in (
        CHOICE.question,
        CHOICE.reason,
        "0.3100",
        "2025-06-30",
        "30 days",
        "surely below",
        "text-KNN",
        *card.limits,
    ):
        assert text in page
        assert text in joined
    assert "0.1.0" in page
    assert "colisten 0.1.0, numpy 2.0" in joined
    assert "5,000" in page
    assert parse_json(to_json(card))["choices"][0]["chosen"] == "text,z"


def test_a_release_counts_what_it_learned_from(payloads: tuple[Path, Path]) -> None:
    counts = bind_payload(payloads[0]).counts
    assert counts["events"] >= counts["starts"] > 0
    assert counts["events"] >= counts["users"] > 0
