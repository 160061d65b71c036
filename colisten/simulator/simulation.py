"""Writing a world: chunk after chunk of users, so that memory does not grow with their number."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import ConfigError
from colisten.files import write_aside
from colisten.json_files import read_mapping, write_json
from colisten.logs import logger
from colisten.progress import track
from colisten.simulator.figures import measure
from colisten.simulator.items import STAMP, Items, draw_items, items_table
from colisten.simulator.journeys import STREAM
from colisten.simulator.listening import Events, listen
from colisten.simulator.makers import draw_makers, links_table, makers_table
from colisten.simulator.people import (
    People,
    draw_people,
    music_projection,
    music_table,
    users_table,
    with_music,
)
from colisten.simulator.random_numbers import CATALOGUE, FIRST_CHUNK, MAKERS, MUSIC, generator
from colisten.simulator.report import WorldReport
from colisten.simulator.settings import SIGNALS, WorldSettings
from colisten.simulator.truth import (
    STREAMED_SCHEMA,
    streamed_truth,
    users_schema,
    users_truth,
    write_items_truth,
)

_LOG = logger("world")
_KIND = "colisten simulated world"
_ENTRIES = {
    "items.parquet",
    "users.parquet",
    "music.parquet",
    "interactions.parquet",
    "links.parquet",
    "truth",
    "world.json",
}
_SCHEMAS = {
    "users": pa.schema({"user_id": pa.string(), "country": pa.string(), "age": pa.float32()}),
    "music": pa.schema(
        {"user_id": pa.string(), "music_vector": pa.list_(pa.float32()), "timestamp": STAMP}
    ),
    "interactions": pa.schema(
        {
            "user_id": pa.string(),
            "item_id": pa.string(),
            "item_type": pa.string(),
            "signal": pa.string(),
            "timestamp": STAMP,
            "hours": pa.float32(),
        }
    ),
    "truth/streamed": STREAMED_SCHEMA,
}


def simulate(out: Path, settings: WorldSettings) -> WorldReport:
    """Draw a world and write it to `out`: contract tables, `truth/` and `world.json`.

    The folder appears whole or not at all. A former world at `out` is replaced.

    Args:
        out: A folder that is absent, empty, or holds a former world and nothing else.
        settings: What world; equal settings give byte-equal files.

    Returns:
        Figures measured from the written tables, beside the published ones.

    Raises:
        ConfigError: `out` holds something else, which is left as it was.
    """
    _check_free(out)
    with write_aside(out) as aside:
        (aside / "truth").mkdir(parents=True)
        _write_tables(aside, settings)
        report = WorldReport(settings=settings, figures=measure(aside, settings))
        content = {"kind": _KIND, **report.to_dict()}
        write_json(aside / "world.json", content, indent=1)
    _LOG.info("world written", folder=str(out), users=settings.users)
    return report


def _write_tables(folder: Path, settings: WorldSettings) -> None:
    rng, music = generator(settings.seed, CATALOGUE), generator(settings.seed, MUSIC)
    items = draw_items(settings, rng, music)
    makers, items = draw_makers(items, settings, generator(settings.seed, MAKERS))
    parquet.write(items_table(items, settings, rng, music), folder / "items.parquet")
    write_items_truth(folder / "truth", items)
    parquet.write(makers_table(makers, items), folder / "truth" / "makers.parquet")
    if settings.author_taste:
        parquet.write(links_table(makers, items), folder / "links.parquet")
    projection = music_projection(settings, rng)
    firsts = range(0, settings.users, settings.chunk_users)
    schemas = _SCHEMAS | {"truth/users": users_schema(items.counts)}
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(parquet.writer(folder / f"{name}.parquet", schema))
            for name, schema in schemas.items()
        }
        for number, first in enumerate(track(firsts, "Simulating users")):
            rng = generator(settings.seed, FIRST_CHUNK + number)
            music = generator(settings.seed, MUSIC, number)
            count = min(settings.chunk_users, settings.users - first)
            people = draw_people(first, count, settings, rng)
            if settings.music:
                people = with_music(people, settings, music)
            events = listen(people, items, settings, rng, music)
            tables = {
                "users": users_table(people, settings),
                "music": music_table(people, projection, settings, rng),
                "interactions": _interactions(events, people, items),
                "truth/users": users_truth(people, settings),
                "truth/streamed": streamed_truth(events, people, items),
            }
            for name, table in tables.items():
                writers[name].write_table(table)


def _interactions(events: Events, people: People, items: Items) -> pa.Table:
    def pick(values: np.ndarray | pa.Array, rows: np.ndarray) -> pa.Array:
        return pa.array(values, pa.string()).take(pa.array(rows))

    return pa.table(
        {
            "user_id": people.ids.take(pa.array(events.user)),
            "item_id": pick(items.ids, events.item),
            "item_type": pick(items.types, events.item),
            "signal": pick(np.array(SIGNALS, dtype=object), events.signal.astype(np.int64)),
            "timestamp": pa.array(events.moment).cast(STAMP),
            "hours": pa.array(events.hours, pa.float32(), mask=events.signal != STREAM),
        },
        schema=_SCHEMAS["interactions"],
    )


def _check_free(out: Path) -> None:
    """Refuse to replace what is not a world of ours."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"{out} is a file.", "Give --out a folder that is new or empty.")
    present = {entry.name for entry in out.iterdir()}
    if not present:
        return
    kind = None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        kind = read_mapping(out / "world.json").get("kind")
    strangers = sorted(present - _ENTRIES)
    if kind == _KIND and not strangers:
        return
    what = f"also holds {', '.join(strangers[:3])}" if kind == _KIND else "is not empty"
    raise ConfigError(
        f"{out} {what}; nothing was touched.",
        "Give --out a new folder, an empty one, or one that holds a former world alone.",
    )
