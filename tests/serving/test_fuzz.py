"""Random and hostile requests: no fault of ours, no growth, and others do not wait for long.

`FUZZ_REQUESTS=5000 pytest -m slow -s tests/serving/test_fuzz.py` asks more, and says what was
answered. Real parts: `colisten serve` on a published folder, over bare sockets on loopback.
"""

from __future__ import annotations

import json
import os
import random
import socket
import string
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from colisten.serving.endpoints import ENDPOINTS, MOVED
from tests.serving.conftest import Guarded
from tests.serving.wire import address

pytestmark = pytest.mark.slow

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "2000"))
CLIENTS = 4
# On a machine that is shared with other tests, and on one of one's own.
LIVE_SECONDS = 0.1 if "FUZZ_REQUESTS" in os.environ else 1.0
GROWTH_MB = 60
ASKED = [one.path for one in ENDPOINTS if one.request is not None]
PATHS = [*(one.path for one in ENDPOINTS), *MOVED, "/", "/docs", "/docs.json", "/metrics"]
MOMENTS = [
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2025-07-01T00:00:00Z"),
    *("1969-12-31T23:59:59Z", "2025-13-01", "2025-02-30T00:00:00Z", "99999-01-01T00:00:00Z"),
    *("2025-07-01T00:00:00+99:99", "2025-W27-1T00:00Z", "now", "", "9" * 5000, "2200-01-01T00:00Z"),
]
FIELDS = [
    *("user_id", "item_id", "item_type", "signal", "timestamp", "k", "language", "country"),
    *("exclude", "filter", "history", "features", "arm", "surface", "min_release", "explain"),
    *("event_id", "events", "requests", "preview", "history_mode", "recommendation_id", "x"),
]
LARGE = [
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b"{" + b",".join(b'"%d":0' % at for at in range(58_000)) + b"}",
    b'{"user_id":' + b"9" * 400_000 + b"}",
    json.dumps({"user_id": "u", "exclude": ["a"] * 100_000}).encode(),
    json.dumps({"events": [{}] * 500}).encode(),
    json.dumps({"requests": [{"exclude": [0] * 1000}] * 64}).encode(),
    b'{"user_id":"' + b"\\u0000" * 90_000 + b'"}',
    b"x" * 1_100_000,
]


class Hostile:
    """Requests of a seed, some of them good."""

    def __init__(self, seed: int, headers: dict[str, str]) -> None:
        self._random = random.Random(seed)
        self._headers = headers

    def request(self) -> bytes:
        """The bytes of one."""
        draw = self._random
        body = self._body()
        headers: dict[str, str] = {"Host": "localhost", "Content-Type": "application/json"}
        headers |= self._headers | {"Content-Length": str(len(body)), "Connection": "close"}
        for _ in range(draw.choice((0, 0, 0, 1, 2))):
            self._bend(headers)
        method = draw.choice(("POST",) * 40 + ("GET", "PUT", "OPTIONS", "HEAD", "DELETE", "BREW"))
        lines = [
            f"{method} {self._path()} HTTP/1.1",
            *(f"{one}: {headers[one]}" for one in headers),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body

    def _bend(self, headers: dict[str, str]) -> None:
        draw = self._random
        name, value = draw.choice(
            [
                ("Host", draw.choice(("evil.example", "", "localhost:99999", "[::1", "a" * 5000))),
                (
                    "Content-Type",
                    draw.choice(("text/plain", "", "application/xml", "application/j")),
                ),
                ("Content-Encoding", "gzip"),
                ("Transfer-Encoding", "chunked"),
                ("X-Deadline-Ms", draw.choice(("0", "-1", "60001", "1e3", "\xb2", "9" * 4000))),
                (
                    "Authorization",
                    draw.choice(("Bearer x", "Basic eDp5", "", "Bearer " + "y" * 4000)),
                ),
                ("Content-Length", draw.choice(("0", "-1", "5", "x", "99999999"))),
                ("Origin", "https://evil.example"),
                ("Access-Control-Request-Method", "POST"),
                ("traceparent", self._text(60)),
                ("X-" + self._word(), self._text(40).replace("\r", "").replace("\n", "")),
                ("Expect", "100-continue"),
                ("Upgrade", "websocket"),
            ]
        )
        headers[name] = value

    def _path(self) -> str:
        draw = self._random
        return draw.choice(
            [
                *(draw.choice(ASKED) for _ in range(20)),
                *(draw.choice(PATHS) for _ in range(4)),
                f"/{self._word()}",
                f"/v1/{self._word()}/{self._word()}",
                "/page/" + draw.choice(("../../etc/passwd", "%2e%2e%2f", "\xff", self._word())),
                f"{draw.choice(PATHS)}?{self._word()}={self._word()}",
                "http://evil.example/v1/release",
                "/" + "a" * draw.choice((10, 5000, 60_000)),
            ]
        )

    def _body(self) -> bytes:
        draw = self._random
        if draw.random() < 0.02:
            return draw.choice(LARGE)
        if draw.random() < 0.1:
            return draw.randbytes(draw.randrange(300))
        good = {"user_id": f"u{draw.randrange(90):04d}", "k": 5}
        if draw.random() < 0.5:
            good = {
                "user_id": f"u{draw.randrange(90):04d}",
                "item_id": draw.choice(("a001", "p003", self._word())),
                "item_type": draw.choice(("audiobook", "podcast")),
                "signal": "stream",
                "timestamp": draw.choice(MOMENTS),
            }
        told: dict[str, Any] = good if draw.random() < 0.7 else {}
        for _ in range(draw.choice((0, 0, 1, 2))):
            told[draw.choice(FIELDS)] = self._value(2)
        whole: Any = told
        if draw.random() < 0.1:
            whole = {draw.choice(("events", "requests")): [told, good, self._value(1)]}
        return json.dumps(whole).encode()

    def _value(self, depth: int) -> Any:
        draw = self._random
        simple = [None, True, -1, 10**30, 1e308, float("nan"), "", "\x00", "\ud800", "u0001"]
        simple += [draw.choice(MOMENTS), self._text(30), self._word() * 200, 0.5, 7]
        if depth and draw.random() < 0.4:
            inner = [self._value(depth - 1) for _ in range(draw.randrange(6))]
            return inner if draw.random() < 0.5 else {draw.choice(FIELDS): one for one in inner}
        return draw.choice(simple)

    def _word(self) -> str:
        letters = string.ascii_lowercase + string.digits
        return "".join(self._random.choices(letters, k=self._random.randrange(1, 12)))

    def _text(self, most: int) -> str:
        codes = (self._random.randrange(1, 0x2FFF) for _ in range(self._random.randrange(most)))
        return "".join(map(chr, codes))


def status(url: str, request: bytes) -> int:
    """What is answered; 0 where the connection is closed without an answer."""
    with socket.create_connection(address(url), timeout=60) as connection:
        got = b""
        try:
            connection.sendall(request)
            while part := connection.recv(65536):
                got += part
        except ConnectionError:
            pass  # refused while still sending
    whole = got.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    return int(whole.split(b" ", 2)[1]) if whole else 0


def memory_mb(parent: int) -> float:
    """Resident memory of a process and all below it."""
    below: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            father = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        below.setdefault(father, []).append(int(folder.name))
    found, kilobytes = [parent], 0
    for process in found:
        found += below.get(process, [])
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            kilobytes += int(line.split()[1]) if line.startswith("VmRSS") else 0
    return kilobytes / 1024


def test_whatever_is_asked_the_service_goes_on(guarded: Guarded) -> None:
    url, process = guarded.service.url, guarded.service.process.pid
    told: Counter[int] = Counter()
    waits: list[float] = []
    over = threading.Event()

    def look() -> None:
        with httpx.Client(timeout=30) as client:
            while not over.is_set():
                started = time.monotonic()
                assert client.get(f"{url}/livez").status_code == 200
                waits.append(time.monotonic() - started)
                time.sleep(0.02)

    def send(seed: int, count: int) -> None:
        hostile = Hostile(seed, guarded.headers)
        for _ in range(count):
            request = hostile.request()
            found = status(url, request)
            told[found] += 1
            assert found < 500, request[:2000]

    def metrics() -> int:
        answer = httpx.get(f"{guarded.operators}/metrics", headers=guarded.headers, timeout=30)
        return len(answer.content)

    def all_send(first: int, count: int) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(send, range(first, first + CLIENTS), [count // CLIENTS] * CLIENTS))

    # What it takes once (threads, buffers, words that are looked up) is no growth.
    all_send(0, REQUESTS // 4)
    before, counted = memory_mb(process), metrics()
    started = time.monotonic()
    with ThreadPoolExecutor(1) as looking:
        watched = looking.submit(look)
        try:
            all_send(CLIENTS, REQUESTS)
        finally:
            over.set()
        watched.result()
    took, grown = time.monotonic() - started, memory_mb(process) - before
    waits.sort()
    slow = waits[int(0.99 * len(waits))]
    print(f"{REQUESTS} requests in {took:.0f} s: {dict(sorted(told.items()))}")
    print(f"memory {grown:+.1f} MB of {before:.0f}, /livez p99 {slow * 1000:.0f} ms")
    assert {200, 400, 401, 404, 413, 415, 421} <= set(told)
    assert grown < GROWTH_MB
    # A label's word that comes for the first time adds its lines, a path of one's own none.
    assert metrics() < counted + 6_000
    assert slow < LIVE_SECONDS
    shelf = httpx.post(
        f"{url}/v1/recommend", json={"user_id": "u0001"}, headers=guarded.headers, timeout=30
    )
    assert shelf.json()["how"]["fallbacks"] == []


def test_unknown_paths_are_not_counted_one_by_one(guarded: Guarded) -> None:
    with httpx.Client(headers=guarded.headers, timeout=30) as client:
        before = len(client.get(f"{guarded.operators}/metrics").content)
        for at in range(2 * REQUESTS):
            path = ("/nothing-{}", "/v1/nothing-{}")[at % 2].format(at)
            assert client.get(guarded.service.url + path).status_code == 404
        after = len(client.get(f"{guarded.operators}/metrics").content)
    assert after < before + 1000
