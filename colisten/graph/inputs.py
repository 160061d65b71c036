"""What a relation is made from: the same for every kind of relation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis

from colisten.data.catalogue import Catalogue
from colisten.graph.relation import Relation, RelationName
from colisten.settings.tree import Settings

Relations = dict[RelationName, Relation]


@dataclass(frozen=True)
class GraphInputs:
    """A history as of a moment, and how to read it.

    Attributes:
        engine: Ibis backend, DuckDB or Spark.
        history: Folder of checked tables.
        catalogue: Its items.
        num_nodes: Items per type, in catalogue order.
        as_of: UTC moment; what happened at or after it is not seen.
        settings: `graph`, `data`, `threads` and `memory_limit`.
        left_out: Users (user_id) whose events do not count; None for none.
        in_memory: Count pairs in this process's memory, or in the engine; None decides by size.
    """

    engine: Any
    history: Path
    catalogue: Catalogue
    num_nodes: dict[str, int]
    as_of: datetime
    settings: Settings
    left_out: ibis.Table | None = None
    in_memory: bool | None = None

    @property
    def events(self) -> Path:
        """The file of interactions."""
        return self.history / "interactions.parquet"
