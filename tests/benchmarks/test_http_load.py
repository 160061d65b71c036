"""The client of the benchmarks counts what a server did, whatever that is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks.http_load import LOST, Closed, Paced, Requests, asked
from benchmarks.shelf_labels import rung, shown

SHELF = (
    b'{"request_id":"q1","arm":"live","release_id":"r1","user_id":"u1","how":{"vector":'
    b'"two_tower","search":"exact","fallbacks":["index_timeout"],"unknown":[]},"items":'
    b'[{"item_id":"a","title":"A"},{"item_id":"b","title":"B"}]}'
)
Answer = Callable[[int], bytes | None]


def whole(status: int, body: bytes, *, close: bool = False) -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n"
    return (head + ("Connection: close\r\n" if close else "") + "\r\n").encode() + body


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """Answers the n-th request by bytes, by cutting the connection (b""), or not at all (None)."""
    listener = socket.create_server(("127.0.0.1", 0))
    lock, count = threading.Lock(), iter(range(10**6))

    def serve(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                assert data.startswith(b"POST /v1/recommend HTTP/1.1\r\n")
                assert data.endswith(b'{"user_id": "u1"}')
                with lock:
                    number = next(count)
                told = answer(number)
                if told is None:
                    time.sleep(0.6)
                if not told:
                    return
                # In two parts, as it may well come.
                connection.sendall(told[:20])
                connection.sendall(told[20:])
                if b"Connection: close" in told:
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def requests(port: int, *, patience: float = 5.0, bodies: int = 1) -> Requests:
    return Requests(port, "/v1/recommend", [{"user_id": "u1"}] * bodies, patience=patience)


def test_every_body_is_sent_once_where_no_time_is_given() -> None:
    with server(lambda _: whole(200, SHELF)) as port:
        answers = asked(requests(port, bodies=37), Closed(4, None), rung)
    assert answers.by_status() == {"200": 37}
    assert answers.shares() == {"two_tower exact index_timeout": 1.0}
    assert (answers.seconds > 0).all()


def test_refusals_and_broken_connections_are_counted_apart() -> None:
    def answer(number: int) -> bytes:
        kinds = (whole(200, SHELF), whole(429, b"{}"), b"", whole(200, SHELF, close=True))
        return kinds[number % 4]

    with server(answer) as port:
        answers = asked(requests(port, bodies=40), Closed(1, None), rung)
    counts = {status: int((answers.statuses == status).sum()) for status in (200, 429, LOST)}
    assert counts == {200: 20, 429: 10, LOST: 10}


def test_a_request_that_nobody_answers_is_given_up() -> None:
    with server(lambda number: None if number == 0 else whole(200, SHELF)) as port:
        started = time.monotonic()
        answers = asked(requests(port, patience=0.2), Closed(1, 0.5), rung)
    assert time.monotonic() - started < 3
    assert (answers.statuses == LOST).sum() == 1
    assert (answers.statuses == 200).sum() >= 1


def test_a_pace_is_kept_and_waiting_counts_from_when_it_was_due() -> None:
    def answer(_: int) -> bytes:
        time.sleep(0.02)
        return whole(200, SHELF)

    with server(answer) as port:
        answers = asked(requests(port), Paced(200, 0.25, connections=1), rung)
    assert 45 <= len(answers.statuses) <= 50
    assert set(answers.statuses.tolist()) == {200}
    # One connection answers fifty a second: the last was due long before it was answered.
    assert answers.seconds.max() > 0.5
    assert (answers.milliseconds(100)["p100"] or 0) > 500


def test_at_a_slow_pace_nobody_waits_for_the_next_to_be_due() -> None:
    with server(lambda _: whole(200, SHELF)) as port:
        answers = asked(requests(port), Paced(5, 0.7), rung)
    assert len(answers.statuses) == 4
    assert np.median(answers.seconds) < 0.1


def test_where_nobody_listens_all_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answers = asked(requests(port), Closed(2, 0.2), rung)
    assert len(answers.statuses) > 2
    assert set(answers.statuses.tolist()) == {LOST}
    assert answers.shares() == {}


@pytest.mark.parametrize("blank", [b"", b" "])
def test_a_shelf_is_read_without_parsing_it(blank: bytes) -> None:
    one = shown(0, 200, SHELF.replace(b":", b":" + blank).replace(b",", b"," + blank))
    assert one is not None
    assert one[:6] == ("two_tower exact index_timeout", "r1", "live", "u1", "q1", ("a", "b"))
    other = shown(0, 200, SHELF.replace(b'"B"', b'"C"'))
    assert other is not None
    assert np.any(one.digest != other.digest)
    assert shown(0, 429, b"{}") is None
