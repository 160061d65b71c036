"""What all parts of an explanation share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen part of an explanation that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
