"""A message reaches whoever is to know, or it is said that it did not and why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten import webhook
from colisten.webhook import post
from tests.inbox import Inbox, opened_inbox

MESSAGE = {"text": "Drift.", "value": float("nan")}


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    monkeypatch.setattr(webhook, "_WAIT_SECONDS", 0.0)
    with opened_inbox() as server:
        yield server


def test_what_is_posted_is_strict_json(inbox: Inbox) -> None:
    assert post(inbox.url, MESSAGE).told
    assert inbox.posted == [{"text": "Drift.", "value": None}]


@pytest.mark.parametrize(
    ("statuses", "asked", "told"),
    [
        ([500, 503, 200], 3, True),
        ([429, 204], 2, True),
        ([500], 3, False),
        ([404], 1, False),
        ([302], 1, False),
    ],
)
def test_a_server_that_may_recover_is_asked_again_and_no_other(
    inbox: Inbox, statuses: list[int], asked: int, told: bool
) -> None:
    inbox.statuses = list(statuses)
    delivery = post(inbox.url, MESSAGE, tries=3)
    assert (len(inbox.posted), delivery.told) == (asked, told)
    assert told or str(statuses[-1]) in delivery.reason


@given(st.text(max_size=40).map(lambda text: f"gopher://secret{text}"))
def test_an_address_that_nobody_answers_at_is_named_in_no_reason(address: str) -> None:
    delivery = post(address, MESSAGE, tries=2)
    assert not delivery.told
    assert delivery.reason
    assert "secret" not in delivery.reason


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9/secret", "http://example.invalid/"])
def test_nobody_to_tell_is_no_success(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_WAIT_SECONDS", 0.0)
    delivery = post(address, MESSAGE, tries=2)
    assert not delivery.told
    assert "secret" not in delivery.reason
