"""What a relation is made from: the same for every kind of relation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis

from colisten.data.catalogue import Catalogue
from colisten.graph.relation import Relation, RelationName
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.sections import GraphSettings

Relations = dict[RelationName, Relation]


@dataclass(frozen=True)
class GraphInputs:
    """A history as of a moment, and how to read it.

    Attributes:
        backend: Of Ibis, DuckDB or Spark.
        history: Folder of checked tables.
        catalogue: Its items.
        num_nodes: Items per type, in catalogue order.
        as_of: UTC moment; what happened at or after it is not seen.
        data: Which types and signals there are.
        graph: What makes an edge.
        engine: Bounds of counting.
        left_out: Users (user_id) whose events do not count; None for none.
        in_memory: Count pairs in this process's memory, or in the engine; None decides by size.
    """

    backend: Any
    history: Path
    catalogue: Catalogue
    num_nodes: dict[str, int]
    as_of: datetime
    data: DataSettings
    graph: GraphSettings
    engine: Engine
    left_out: ibis.Table | None = None
    in_memory: bool | None = None

    @property
    def events(self) -> Path:
        """The file of interactions."""
        return self.history / "interactions.parquet"
