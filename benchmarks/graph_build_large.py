"""Building the graph of 20 million events within 8 GB, and how the cost grows from 2 million."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.events import write_events
from benchmarks.pairs import machine, write_result
from colisten.json_files import parse_json

SIZES = ((200_000, 2_000_000), (2_000_000, 20_000_000))
BUILD = """
import resource, sys, time
from datetime import UTC, datetime
from pathlib import Path
from colisten.config import Settings
from colisten.sections import GraphSettings
from colisten.graph.build import build_graph
from colisten.json_files import to_json
from colisten.logs import configure_logs
configure_logs("warning")
settings = Settings(memory_limit="8GB", graph=GraphSettings(min_colisteners=2))
as_of = datetime(2030, 1, 1, tzinfo=UTC)
start = time.perf_counter()
graph = build_graph(Path(sys.argv[1]), as_of=as_of, settings=settings)
print(to_json({
    "seconds": round(time.perf_counter() - start, 2),
    "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    "edges": graph.num_edges,
}))
"""


def run() -> None:
    """Each size in a process of its own, so that its peak memory is its own."""
    figures = []
    for users, events in SIZES:
        with tempfile.TemporaryDirectory() as work:
            folder = write_events(Path(work), users=users, events=events)
            done = subprocess.run(
                [sys.executable, "-c", BUILD, str(folder)],
                check=True,
                capture_output=True,
                text=True,
            )
        # DuckDB may have a word at exit.
        said = next(line for line in done.stdout.splitlines() if line.startswith("{"))
        figures.append({"users": users, "events": events, **parse_json(said)})
        print(f"graph_build_large: {figures[-1]}")
    small, large = figures
    growth = large["seconds"] / small["seconds"]
    write_result(
        "graph_build_large",
        {**machine(), "memory_limit": "8GB", "runs": figures, "time_at_10x": round(growth, 2)},
    )
