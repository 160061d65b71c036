"""Tables of the pages, written anew from the result files: `python -m benchmarks tables`.

A table stands between two comments that name it, which nobody sees on the rendered page. A test
holds every one to what the committed results give, so no figure is copied by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import (
    drift_causes,
    drift_volume,
    experiment_report,
    false_alarms,
    five_days,
    five_days_table,
    index_size,
    lift_truth,
    online_events,
    public_tables,
    reruns,
    serving_arms,
    serving_chaos,
    serving_http,
    serving_path,
    serving_soak,
    serving_swaps,
    three_arms,
    world_claims,
    worlds,
)
from benchmarks.pairs import known_result, read_result
from benchmarks.public import MEASUREMENTS, Measurement
from colisten.ablations.registry import FULL
from colisten.errors import ReportError
from colisten.files import write_aside

ROOT = Path(__file__).parents[1]
COMPARED = "public_food_kitchen_2013-11-15"
"""The set and cut that docs/comparison.md shows."""


def _public() -> list[Measurement]:
    return [*MEASUREMENTS.values()]


TABLES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "README.md": {
        "public sets": lambda: public_tables.with_missing(_public()),
        "simulated worlds": lambda: worlds.markdown(read_result(worlds.NAME), worlds.SHOWN),
    },
    "docs/benchmarks.md": {
        "what the sets are": lambda: public_tables.sets_table(_public()),
        "public sets in full": lambda: public_tables.full_tables(_public()),
        "claims": world_claims.markdown,
        "serving path": lambda: serving_path.markdown(known_result(serving_path.NAME)),
        "index by size": lambda: index_size.markdown(known_result(index_size.NAME)),
        **{
            each.NAME: lambda each=each: each.markdown(known_result(each.NAME))  # type: ignore[misc]
            for each in (
                serving_http,
                serving_swaps,
                serving_arms,
                serving_soak,
                serving_chaos,
                online_events,
            )
        },
    },
    "docs/comparison.md": {
        "compared": lambda: public_tables.hits_table(MEASUREMENTS[COMPARED]),
    },
    "docs/pipeline.md": {
        "reruns": lambda: reruns.markdown(known_result(reruns.NAME)),
    },
    "docs/release.md": {
        "five days": lambda: five_days_table.markdown(known_result(five_days.NAME)),
    },
    "docs/monitoring.md": {
        each.NAME.replace("_", " "): lambda each=each: each.markdown(known_result(each.NAME))  # type: ignore[misc]
        for each in (
            drift_causes,
            drift_volume,
            experiment_report,
            false_alarms,
            three_arms,
            lift_truth,
        )
    },
    "docs/ablations.md": {
        "paper's rows": lambda: worlds.markdown(
            read_result(worlds.NAME), (FULL, *(each.name for each in worlds.ROWS))
        ),
    },
}
"""By page and name, what makes the table."""


def renewed(page: str, text: str) -> str:
    """A page's text with every table of it as the result files give it.

    Args:
        page: Its path from the root of the repository.
        text: What it says now.

    Raises:
        ReportError: The page has lost the comments around one of its tables.
    """
    for name, table in TABLES[page].items():
        begin, end = f"<!-- {name}: python -m benchmarks tables -->", f"<!-- end of {name} -->"
        around = re.compile(f"{re.escape(begin)}\n\n.*?\n\n{re.escape(end)}", re.DOTALL)
        parts = around.split(text)
        if len(parts) != 2:
            raise ReportError(
                f"{page} has no single place for the table '{name}'.",
                f"Put it between the lines '{begin}' and '{end}'.",
            )
        text = f"{parts[0]}{begin}\n\n{table()}\n\n{end}{parts[1]}"
    return text


def run() -> None:
    """Renew the tables of every page."""
    for page in TABLES:
        file = ROOT / page
        before = file.read_text(encoding="utf-8")
        after = renewed(page, before)
        if after != before:
            with write_aside(file) as aside:
                aside.write_text(after, encoding="utf-8", newline="\n")
        print(f"{page}: {'renewed' if after != before else 'as it was'}")
