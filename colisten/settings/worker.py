"""Settings of a process that answers: what it does with connections, and how it ends."""

from __future__ import annotations

from pydantic import Field

from colisten.settings.section import Positive, Section


class WorkerSettings(Section):
    """Connections of a worker and its end; a part of `ServingSettings`."""

    max_connections: Positive = Field(
        500, description="Connections that a worker serves; what comes over the next is 503."
    )
    idle_seconds: float = Field(
        5.0,
        gt=0,
        description="How long a connection is kept on which no whole request head comes, or no "
        "answer is read.",
    )
    keep_alive_seconds: float = Field(
        75.0,
        gt=0,
        description="How long a connection is kept for the next request; longer than proxies keep "
        "theirs, mostly 60 s, so that none sends on one that is being closed.",
    )
    body_seconds: float = Field(
        5.0, gt=0, description="Longest time until a body is whole; then 408."
    )
    drain_seconds: float = Field(
        2.0,
        ge=0,
        description="How long a worker that was told to end takes requests, while /readyz is 503.",
    )
    end_seconds: float = Field(
        10.0,
        gt=0,
        description="Longest wait after that for answers that are still due.",
    )
    hang_seconds: float = Field(
        30.0,
        gt=2,
        description="A worker whose event loop has not turned for so long is ended, and another "
        "takes its place.",
    )
