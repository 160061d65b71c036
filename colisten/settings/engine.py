"""How much of a machine a step may use."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, PositiveInt


class Engine(BaseModel):
    """Bounds of DuckDB and torch.

    Attributes:
        threads: Threads; they also decide the last bits of a training.
        memory_limit: What DuckDB holds before it spills to disk, such as 4GB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: PositiveInt = 2
    memory_limit: str = "4GB"
