"""How long connections are held, and which make room: bare sockets to a service of few places."""

from __future__ import annotations

import json
import time

import pytest

from tests.serving.conftest import CONNECTIONS, Service
from tests.serving.wire import answer_of, cut_off, head, opened, post, status_of, until_closed

pytestmark = pytest.mark.slow

SHELF = {"user_id": "u0001", "k": 5}


def test_bodies_that_never_end_are_not_held(narrow: Service) -> None:
    part = head("/v1/recommend", {"Content-Type": "application/json", "Content-Length": 100}) + b"{"
    held = [opened(narrow.url, part) for _ in range(CONNECTIONS // 2)]
    assert narrow.post("/v1/recommend", **SHELF).status_code == 200
    answers = [until_closed(one, 30) for one in held]
    assert {status_of(one) for one in answers} == {408}
    assert all(b"slow_body" in one for one in answers if one)
    assert cut_off(opened(narrow.url, part), b" ")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /recom",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n",
        # Whole requests, and then half of one.
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /",
        # Refused before its body is there, which then never ends.
        head("/v1/recommend", {"Content-Type": "text/plain", "Content-Length": 9999}) + b"{",
    ],
)
def test_connections_that_say_nothing_are_not_held(narrow: Service, sent: bytes) -> None:
    assert until_closed(opened(narrow.url, sent), 30) is not None


def test_heads_that_drip_are_not_held(narrow: Service) -> None:
    assert cut_off(opened(narrow.url, b"POST /v1/recommend HTTP/1.1\r\n"), b"X-A: b\r\n")


def test_more_connections_than_there_may_be_are_told_so(narrow: Service) -> None:
    held = [opened(narrow.url, b"") for _ in range(CONNECTIONS)]
    answer = until_closed(opened(narrow.url, post("/v1/recommend", SHELF)), 30)
    assert status_of(answer) == 503
    assert answer is not None
    assert b"retry-after: 1\r\n" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "busy"
    live = opened(narrow.url, head("/livez", {"Connection": "close"}, "GET"))
    assert status_of(until_closed(live, 30)) == 200
    for one in held:
        assert until_closed(one, 30) is not None
    assert narrow.post("/v1/recommend", **SHELF).status_code == 200
    assert "colisten_connections_refused_total" in narrow.get("/metrics").text


LIVE = head("/livez", {}, "GET")


def test_a_connection_is_kept_between_requests_and_not_within_one(narrow: Service) -> None:
    """A second is the patience with half a head, six that with the next request."""
    with opened(narrow.url, b"") as kept:
        for _ in range(2):
            kept.sendall(LIVE)
            assert answer_of(kept).startswith(b"HTTP/1.1 200")
            time.sleep(1.7)
        begun = time.monotonic()
        kept.sendall(LIVE[:9])
        assert until_closed(kept, 30) == b""
        assert time.monotonic() - begun < 5
    # Of a body that comes after its answer nothing is left to wait for.
    late = head("/v1/recommend", {"Content-Type": "text/plain", "Content-Length": 2})
    with opened(narrow.url, late) as kept:
        assert status_of(answer_of(kept)) == 415
        kept.sendall(b"{}")
        time.sleep(1.7)
        kept.sendall(LIVE)
        assert status_of(answer_of(kept)) == 200


def test_connections_that_are_only_kept_make_room(narrow: Service) -> None:
    kept = [opened(narrow.url, LIVE) for _ in range(CONNECTIONS)]
    assert {status_of(answer_of(one)) for one in kept} == {200}
    come = [opened(narrow.url, post("/v1/recommend", SHELF)) for _ in range(5)]
    assert {status_of(answer_of(one)) for one in come} == {200}
    for one in kept[:5]:  # those kept longest
        assert until_closed(one, 10) == b""
    kept[5].sendall(LIVE)
    assert status_of(answer_of(kept[5])) == 200
    for one in (*kept[5:], *come):
        one.close()
