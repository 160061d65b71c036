"""Speaking HTTP to a service over bare sockets: what a client library would never send."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


def address(url: str) -> tuple[str, int]:
    """Host and port."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def head(path: str, headers: Mapping[str, object], method: str = "POST") -> bytes:
    """A request's head, whole."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {one}" for name, one in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def post(path: str, body: object, **headers: object) -> bytes:
    """A whole request with a JSON body."""
    text = json.dumps(body).encode()
    kind = {"Content-Type": "application/json", "Content-Length": len(text)}
    return head(path, kind | headers) + text


def opened(url: str, sent: bytes) -> socket.socket:
    """A connection on which so much was sent."""
    connection = socket.create_connection(address(url), timeout=30)
    connection.sendall(sent)
    return connection


def until_closed(connection: socket.socket, seconds: float) -> bytes | None:
    """What comes until the other side closes; None where it does not."""
    got, end = b"", time.monotonic() + seconds
    with connection:
        while (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                part = connection.recv(65536)
            except TimeoutError:
                break
            except ConnectionError:
                return got
            if not part:
                return got
            got += part
    return None


def cut_off(connection: socket.socket, drip: bytes) -> bool:
    """Whether it is closed by the other side although something comes all the time."""
    end = time.monotonic() + 30
    with connection:
        while time.monotonic() < end:
            try:
                connection.sendall(drip)
            except ConnectionError:
                return True
            time.sleep(0.1)
    return False


def status_of(answer: bytes | None) -> int:
    assert answer is not None, "the connection was held"
    return int(answer.split(b" ", 2)[1])


def answer_of(connection: socket.socket) -> bytes:
    """One answer, on a connection that stays."""
    connection.settimeout(30)
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65536) or _closed()
    start, _, body = got.partition(b"\r\n\r\n")
    sizes = re.findall(rb"(?i)content-length: (\d+)", start)
    while len(body) < int(sizes[0]):
        body += connection.recv(65536) or _closed()
    return start + b"\r\n\r\n" + body


def _closed() -> bytes:
    raise AssertionError("closed before the answer was whole")


@dataclass
class Load:
    """What clients that ask again and again got.

    Attributes:
        statuses: How many answers had which.
        seconds: Of each answer by its status.
        retry_after: Values of that header.
        refused: Connections that were not made: the request was never sent.
        lost: Requests that were sent and had no whole answer, with what happened.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: dict[int, list[float]] = field(default_factory=dict)
    retry_after: set[str] = field(default_factory=set)
    refused: int = 0
    lost: list[str] = field(default_factory=list)

    async def ask(self, url: str, request: bytes, until: Callable[[], bool]) -> None:
        """One client: asks, on one connection as long as it is kept, until told."""
        pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not until():
            if pair is None:
                try:
                    pair = await asyncio.open_connection(*address(url))
                except OSError:
                    self.refused += 1
                    await asyncio.sleep(0.02)
                    continue
            started = time.monotonic()
            try:
                pair[1].write(request)
                status, headers = await asyncio.wait_for(_answer(pair[0]), 60)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.lost.append(f"{type(error).__name__}: {error}")
                pair = self._closed(pair)
                await asyncio.sleep(0.02)
                continue
            self.statuses[status] += 1
            self.seconds.setdefault(status, []).append(time.monotonic() - started)
            if status == 429:
                self.retry_after.add(headers.get("retry-after", ""))
                await asyncio.sleep(0.01)
            if headers.get("connection") == "close":
                pair = self._closed(pair)
        if pair:
            self._closed(pair)

    @staticmethod
    def _closed(pair: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        with contextlib.suppress(OSError):
            pair[1].close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    parts = (line.partition(":") for line in lines[1:])
    headers = {name.lower(): value.strip() for name, _, value in parts}
    await reader.readexactly(int(headers["content-length"]))
    return int(lines[0].split(" ")[1]), headers
