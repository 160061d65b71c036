"""What a request must be before anything is done for it: of a known kind, small, and in time."""

from __future__ import annotations

from colisten.extras import needs

needs("starlette")

import asyncio
import math
import time

from starlette.requests import Request as HttpRequest

from colisten.serving.problems import Fault, Refused

DEADLINE_HEADER = "X-Deadline-Ms"
MAX_DEADLINE_MS = 60_000
JSON = "application/json"
# Whoever was refused while still sending is not listened to any further.
CLOSE = {"Connection": "close"}


def deadline_of(http: HttpRequest, default_ms: float | None) -> float:
    """When the answer is of no use any more, on the clock of `time.monotonic`.

    Args:
        http: The request; its `X-Deadline-Ms` counts from now.
        default_ms: Where the caller says nothing; None for no deadline.

    Raises:
        Refused: The header is no number of milliseconds from 1 to 60,000 (400).
    """
    given = http.headers.get(DEADLINE_HEADER)
    if given is None:
        return math.inf if default_ms is None else time.monotonic() + default_ms / 1000
    # isdigit alone takes digits that int does not, and a long row of them costs a second.
    fits = len(given) <= len(str(MAX_DEADLINE_MS)) and given.isascii() and given.isdigit()
    if not fits or not 1 <= int(given) <= MAX_DEADLINE_MS:
        raise Refused(
            400,
            Fault(
                code="bad_request",
                detail=f"{DEADLINE_HEADER} is a whole number from 1 to {MAX_DEADLINE_MS:,}.",
            ),
        )
    return time.monotonic() + int(given) / 1000


def check_type(http: HttpRequest) -> None:
    """Take JSON alone: a form of another site can send a browser here, but never with this type.

    Raises:
        Refused: Another `Content-Type`, or none (415).
    """
    if http.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refused(
            415,
            Fault(code="not_json", detail=f"Send the body as Content-Type: {JSON}."),
        )


async def body_of(http: HttpRequest, *, most_bytes: int, seconds: float | None) -> bytes:
    """The whole body, read no further and no longer than allowed.

    Raises:
        Refused: It is longer than `most_bytes` (413), or was not there in `seconds` (408); the
            connection is closed with either.
        ClientDisconnect: The connection broke off.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _read(http, most_bytes)
    except TimeoutError as error:
        message = f"The body was not whole within {seconds:g} seconds."
        fault = Fault(code="slow_body", detail=message)
        raise Refused(408, fault, CLOSE) from error


async def _read(http: HttpRequest, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in http.stream():
        size += len(part)
        if size > most_bytes:
            message = f"The body is longer than {most_bytes} bytes."
            raise Refused(413, Fault(code="too_large", detail=message), CLOSE)
        parts.append(part)
    return b"".join(parts)
