"""Default settings on tables that lack something: does the best line stay the best?

Each variant is a simulated world with one thing taken away before anything is learned: text,
demographics, all signals but one, all but a few events of every user, most events of most titles.
Every rival is tuned on the same tables in the same run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.pairs import machine, write_result
from benchmarks.runs import world_window
from colisten.data import parquet
from colisten.json_files import to_json
from colisten.settings.tree import Settings
from colisten.simulator import WorldSettings, simulate
from colisten.steps.use_cases.run import run as make_release
from colisten.steps.workflow import Window

NAME = "robustness"
# Titles enough for most of a thinned catalogue to have a handful of events or none.
WORLD = WorldSettings(seed=7, users=4_000, audiobooks=1_200)
SETTINGS = Settings()
METRICS = ("HR@10", "MRR")
PARTS = ("all", "warm", "cold")
# Not rivals: the model itself with less or more of it, and chance.
OWN = ("2T-HGNN", "2T", "random")
EVENTS_PER_USER, EVENTS_PER_TITLE, THINNED = 3, 2, 0.7


def run() -> None:
    """One release on every variant; after each, the result so far is written."""
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        window = world_window(world, simulate(world, WORLD))
        for name, change in VARIANTS.items():
            tables = Path(folder) / name / "tables"
            variant(world, tables, window.cut, change)
            rows[name] = measured(replace(window, data=tables))
            write_result(NAME, {**machine(), "world": WORLD, "rows": rows})
            print(f"robustness: {name}: {to_json(rows[name]['against the best rival'])}")


def measured(window: Window) -> dict[str, Any]:
    """How 2T-HGNN stands to the best rival of each column."""
    out = window.data.parent / "out"
    # Titles that did not change are encoded once for all variants.
    shared = window.data.parent.parent / "text"
    shared.mkdir(exist_ok=True)
    (out / "cache").mkdir(parents=True)
    (out / "cache" / "text").symlink_to(shared)
    made = make_release(window.data, window.cut, out, SETTINGS, window_days=window.days)
    table = made.table
    rivals = [model for model in table.models if model not in OWN]
    against: dict[str, Any] = {}
    for part in PARTS:
        for metric in METRICS:
            best = max(rivals, key=lambda model: table.value(model, metric, part) or 0.0)
            (gap,) = [
                each
                for each in table.differences
                if (each.against, each.slice, each.metric) == (best, part, metric)
            ]
            against[f"{part} {metric}"] = {
                "own": _round(table.value(table.subject, metric, part)),
                "2T": _round(table.value("2T", metric, part)),
                "best rival": best,
                "its": _round(table.value(best, metric, part)),
                "difference": [_round(value) for value in (gap.value, gap.low, gap.high)],
            }
    return {
        "users": table.users,
        "candidates": table.candidates,
        "against the best rival": against,
    }


def variant(world: Path, tables: Path, cut: datetime, change: Change) -> None:
    """Write a world's tables with one thing taken away."""
    tables.mkdir(parents=True)
    read = {path.stem: parquet.read(path) for path in sorted(world.glob("*.parquet"))}
    for name, table in change(read, cut).items():
        parquet.write(table, tables / f"{name}.parquet")


Tables = dict[str, pa.Table]
Change = Callable[[Tables, datetime], Tables]


def complete(tables: Tables, _: datetime) -> Tables:
    """Nothing is missing."""
    return tables


def no_audiobook_text(tables: Tables, _: datetime) -> Tables:
    """No title, description or genre on any audiobook."""
    items = tables["items"]
    silent = pc.equal(items.column("item_type"), "audiobook")
    for name in ("title", "description", "genres"):
        at = items.column_names.index(name)
        field = items.schema.field(name)
        column = pc.if_else(silent, pa.scalar(None, field.type), items.column(name))
        items = items.set_column(at, pa.field(name, field.type), column)
    return tables | {"items": items}


def no_demographics(tables: Tables, _: datetime) -> Tables:
    """Neither users nor music tastes."""
    return {name: table for name, table in tables.items() if name not in ("users", "music")}


def streams_only(tables: Tables, _: datetime) -> Tables:
    """No follows, previews or intents to pay."""
    events = tables["interactions"]
    return tables | {"interactions": events.filter(pc.equal(events.column("signal"), "stream"))}


def few_events(tables: Tables, cut: datetime) -> Tables:
    """Of each user's events before the cut only the latest few."""
    return tables | {"interactions": _latest(tables["interactions"], "user_id", cut)}


def thin_catalogue(tables: Tables, cut: datetime) -> Tables:
    """Before the cut, most titles of both types have fewer than three events."""
    events = tables["interactions"]
    names = events.column("item_id").to_pylist()
    titles = np.unique(names)
    thinned = np.random.default_rng(0).random(len(titles)) < THINNED
    thin = set(titles[thinned].tolist())
    hit = pa.array([name in thin for name in names])
    return tables | {
        "interactions": pa.concat_tables(
            [
                events.filter(pc.invert(hit)),
                _latest(events.filter(hit), "item_id", cut, EVENTS_PER_TITLE),
            ]
        )
    }


def _latest(events: pa.Table, key: str, cut: datetime, most: int = EVENTS_PER_USER) -> pa.Table:
    """Of the events before the cut, the latest few of each key; all later ones."""
    frame = events.to_pandas()
    past = frame["timestamp"] < cut
    latest = frame[past].sort_values(["timestamp", "user_id", "item_id"]).groupby(key).tail(most)
    rows = np.sort(np.concatenate([latest.index.to_numpy(), np.flatnonzero(~past)]))
    return events.take(pa.array(rows))


VARIANTS: dict[str, Change] = {
    "complete": complete,
    "no audiobook text": no_audiobook_text,
    "no demographics": no_demographics,
    "one signal": streams_only,
    "three events a user": few_events,
    "most titles under three events": thin_catalogue,
}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


if __name__ == "__main__":
    run()
