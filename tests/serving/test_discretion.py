"""What settings keep in is in no answer, and everything else is."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from colisten.serving.answers import How, Shelf, ShelfItem
from colisten.serving.discretion import withhold
from colisten.settings.sections import ServingSettings


def shelf() -> Shelf:
    item = ShelfItem(
        item_id="a0", title="A", rank=1, score=None, inner_product=None, why="popular in SE"
    )
    how = How(
        vector="popular_country", search="popular", fallbacks=["user_unknown", "nothing_left"]
    )
    return Shelf(request_id="1", arm=None, release_id="r1", user_id="u1", how=how, items=[item])


def counted() -> float:
    return REGISTRY.get_sample_value("colisten_fallbacks_total", {"reason": "user_unknown"}) or 0.0


def test_by_default_an_answer_says_both() -> None:
    answer, before = shelf(), counted()
    withhold(answer, ServingSettings())
    assert answer == shelf()
    assert counted() == before, "whoever answers counts what the answer says"


@pytest.mark.parametrize(("why", "unknown"), [(False, True), (True, False), (False, False)])
def test_each_is_kept_in_by_a_setting_of_its_own(why: bool, unknown: bool) -> None:
    answer, before = shelf(), counted()
    withhold(answer, ServingSettings(say_why=why, say_unknown=unknown))
    expected = shelf()
    if not why:
        expected.items[0].why = None
    if not unknown:
        expected.how.fallbacks = ["nothing_left"]
    assert answer == expected
    assert counted() - before == (not unknown), "metrics know it all the same"
