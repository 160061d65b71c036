"""A figure with its interval, and what all parts of an explanation share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen part of an explanation that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Part):
    """A value with its interval; None where there is nothing, or too little for an interval."""

    value: float | None
    low: float | None = None
    high: float | None = None
