"""Building the graph of 20 million events within 8 GB, and how the cost grows from 2 million."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.alone import alone
from benchmarks.events import write_events
from benchmarks.graph_build import AS_OF
from benchmarks.pairs import machine, write_result
from colisten.graph.build import build_graph
from colisten.logs import configure_logs
from colisten.settings.sections import GraphSettings
from colisten.settings.tree import Settings

SIZES = ((200_000, 2_000_000), (2_000_000, 20_000_000))
LIMIT = "8GB"


def run() -> None:
    """Each size in a process of its own, so that its peak memory is its own."""
    figures = []
    for users, events in SIZES:
        with tempfile.TemporaryDirectory() as work:
            folder = write_events(Path(work), users=users, events=events)
            built = alone(build, folder, LIMIT)
        figures.append({"users": users, "events": events, **built})
        print(f"graph_build_large: {figures[-1]}")
    small, large = figures
    growth = large["seconds"] / small["seconds"]
    write_result(
        "graph_build_large",
        {**machine(), "memory_limit": LIMIT, "runs": figures, "time_at_10x": round(growth, 2)},
    )


def build(folder: Path, limit: str) -> dict[str, Any]:
    """Build the graph of a folder's events, DuckDB holding `limit` at most."""
    configure_logs("warning")
    settings = Settings(memory_limit=limit, graph=GraphSettings(min_colisteners=2))
    start = time.perf_counter()
    graph = build_graph(
        folder, as_of=AS_OF, data=settings.data, graph=settings.graph, engine=settings.engine
    )
    return {"seconds": round(time.perf_counter() - start, 2), "edges": graph.num_edges}
