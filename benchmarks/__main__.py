"""Run every benchmark, or some by name: `python -m benchmarks [NAME ...]`."""

from __future__ import annotations

import sys

from benchmarks import (
    balance,
    graph_build,
    graph_build_large,
    growth,
    kernels,
    links,
    loader_step,
    price,
    public,
    robustness,
    scale,
    sequential,
    threads,
    worlds,
)
from colisten.logs import configure_logs

BENCHMARKS = {
    "graph_build": graph_build.run,
    "graph_build_large": graph_build_large.run,
    "kernels": kernels.run,
    "loader_step": loader_step.run,
    "balance": balance.run,
    "scale": scale.run,
    "growth": growth.run,
    "worlds": worlds.run,
    "public": public.run,
    "sequential": sequential.run,
    "robustness": robustness.run,
    "links": links.run,
    "threads": threads.run,
    "price": price.run,
}


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    configure_logs("warning")
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise SystemExit(f"No benchmark {unknown}; there are {list(BENCHMARKS)}.")
    for name in names:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
