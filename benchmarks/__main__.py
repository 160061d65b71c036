"""Run every benchmark, or some by name: `python -m benchmarks [--skip-measured] [NAME ...]`.

`tables` is no benchmark: it renews the tables of README and the docs from the result files.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from benchmarks import (
    balance,
    experiment_report,
    false_alarms,
    five_days,
    graph_build,
    graph_build_large,
    growth,
    index_size,
    kernels,
    lift_truth,
    links,
    loader_step,
    online_events,
    price,
    public,
    reruns,
    robustness,
    scale,
    score_truth,
    sequential,
    serving_arms,
    serving_chaos,
    serving_http,
    serving_path,
    serving_soak,
    serving_swaps,
    tables,
    threads,
    three_arms,
    worlds,
)
from colisten.logs import configure_logs

BENCHMARKS: dict[str, Callable[[], None]] = {
    "graph_build": graph_build.run,
    "graph_build_large": graph_build_large.run,
    "kernels": kernels.run,
    "loader_step": loader_step.run,
    "balance": balance.run,
    "scale": scale.run,
    "growth": growth.run,
    "worlds": worlds.run,
    **{name: each.run for name, each in public.MEASUREMENTS.items()},
    "sequential": sequential.run,
    "robustness": robustness.run,
    "links": links.run,
    "threads": threads.run,
    experiment_report.NAME: experiment_report.run,
    "price": price.run,
    "reruns": reruns.run,
    "serving_path": serving_path.run,
    "index_size": index_size.run,
    "online_events": online_events.run,
    "score_truth": score_truth.run,
    "serving_http": serving_http.run,
    "serving_swaps": serving_swaps.run,
    "serving_arms": serving_arms.run,
    "serving_soak": serving_soak.run,
    "serving_chaos": serving_chaos.run,
    "five_days": five_days.run,
    "false_alarms": false_alarms.run,
    "lift_truth": lift_truth.run,
    "three_arms": three_arms.run,
}
SERVING = ("serving_http", "serving_swaps", "serving_arms", "serving_soak", "serving_chaos")
GROUPS = {"public": tuple(public.MEASUREMENTS), "serving": (*SERVING, "online_events")}
"""One name for several."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks named on the command line, or all.

    Args:
        arguments: Of the command line; None takes those of this process.
    """
    configure_logs("warning")
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all benchmarks")
    parser.add_argument(
        "--skip-measured",
        action="store_true",
        help="leave out public sets whose result is of this code and these tables",
    )
    given = parser.parse_args(arguments)
    names = [each for name in given.names for each in GROUPS.get(name, (name,))] or [*BENCHMARKS]
    if names == ["tables"]:
        tables.run()
        return
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        there = [*BENCHMARKS, *GROUPS]
        raise SystemExit(f"No benchmark {unknown}; there are {there}, and `tables` by itself.")
    for name in names:
        if given.skip_measured and is_measured(name):
            print(f"{name}: measured already")
        else:
            BENCHMARKS[name]()


def is_measured(name: str) -> bool:
    """Whether a benchmark can tell that its result is of this code, and it is."""
    known = public.MEASUREMENTS.get(name)
    return known is not None and known.is_measured()


if __name__ == "__main__":
    main()
