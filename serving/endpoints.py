"""The service's endpoints: what is mounted, and what /docs.json describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel

from colisten.serving.answers import (
    EventsAnswer,
    Health,
    ReleaseInfo,
    Shelf,
    Shelves,
    Similar,
    Vector,
)
from colisten.serving.requests import (
    MAX_BODY_BYTES,
    EventsRequest,
    RecommendBatch,
    RecommendRequest,
    SimilarRequest,
    VectorRequest,
)
from colisten.serving.runtime import Runtime

LaneName = Literal["asking", "batches", "writing", "none"]


@dataclass(frozen=True)
class Endpoint:
    """A route and its messages.

    Attributes:
        request: Model of the body; None where there is none.
        run: Called with the runtime and, where there is a request model, the request.
        together: Called with the runtime and several requests and their times; None where each
            is answered by itself.
        errors: HTTP statuses besides 200, and besides those that every body, header and queue has.
        lane: Where it waits for its turn; "none" for what takes no time.
        most_bytes: Longest body.
    """

    name: str
    path: str
    method: str
    summary: str
    request: type[BaseModel] | None
    answer: type[BaseModel]
    errors: tuple[int, ...]
    run: Callable[..., Any]
    together: Callable[[Runtime, Sequence[Any]], Sequence[Any]] | None = None
    lane: LaneName = "asking"
    most_bytes: int = MAX_BODY_BYTES

    @property
    def writes(self) -> bool:
        """Whether it changes what is stored."""
        return self.lane == "writing"

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status besides 200."""
        of_body = () if self.request is None else (408, 413, 415)
        of_queue = () if self.lane == "none" else (429, 504)
        return tuple(sorted({400, *self.errors, *of_body, *of_queue}))


ENDPOINTS = (
    Endpoint(
        "recommend",
        "/v1/recommend",
        "POST",
        "A shelf for one user.",
        RecommendRequest,
        Shelf,
        (409, 503),
        Runtime.recommend,
        Runtime.recommend_all,
    ),
    Endpoint(
        "recommend_batch",
        "/v1/recommend:batch",
        "POST",
        "Several shelves, each answered or refused by itself.",
        RecommendBatch,
        Shelves,
        (503,),
        Runtime.recommend_batch,
        lane="batches",
    ),
    Endpoint(
        "similar",
        "/v1/similar",
        "POST",
        "Items of the recommended type nearest to an item of any type.",
        SimilarRequest,
        Similar,
        (404, 503),
        Runtime.similar,
    ),
    Endpoint(
        "events",
        "/v1/events",
        "POST",
        "Record what users just did; the next answer sees it.",
        EventsRequest,
        EventsAnswer,
        (503,),
        Runtime.push_all,
        lane="writing",
    ),
    Endpoint(
        "release",
        "/v1/release",
        "GET",
        "The release in use.",
        None,
        ReleaseInfo,
        (503,),
        Runtime.info,
    ),
    Endpoint(
        "health",
        "/v1/health",
        "GET",
        "Whether the worker is ready, as /readyz.",
        None,
        Health,
        (503,),
        Runtime.health,
        lane="none",
    ),
    Endpoint(
        "user_vector",
        "/v1/user_vector",
        "POST",
        "A user's vector; 404 unless `serving.debug_vectors` is on.",
        VectorRequest,
        Vector,
        (404, 503),
        Runtime.vector,
        most_bytes=MAX_BODY_BYTES // 2,
    ),
)
MOVED = {
    "/recommend": ("POST", "/v1/recommend"),
    "/similar": ("POST", "/v1/similar"),
    "/events": ("POST", "/v1/events"),
    "/release": ("GET", "/v1/release"),
    "/vector": ("POST", "/v1/user_vector"),
}
"""Paths of the version before, which go with the next one."""
MOVED_ON = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp())
