"""An output folder whose users and items have every kind of id that the tables take."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from colisten.data.ids import MAX_ID_BYTES
from colisten.index import ExactIndex
from tests.feature_folders import simple_release
from tests.release.payloads import make_parts

STRANGE = (
    "it's",
    'say "hi"',
    "a\\b",
    "a/b?c=d#e",
    "%41",
    " 01",
    "01 ",
    "line\nbreak\r\n",
    "tab\tid",
    "nul\0byte",
    "\0",
    "\x7f\x1b[31m",
    "\u202eback",
    "null",
    "NaN",
    "-1",
    "'; DROP TABLE--",
    "{{x}} $(y) `z`",
    "a,b;c=d",
    unicodedata.normalize("NFC", "Bj\u00f6rk"),
    unicodedata.normalize("NFD", "Bj\u00f6rk"),
    "\U0001f600",
    "\U0010ffff",
    "x" * 5_000,
    "\x01" * MAX_ID_BYTES,
)


def strange_history(tiny_history: Path, folder: Path) -> Path:
    """The tiny history with its first users, audiobooks and podcasts renamed."""
    folder.mkdir(parents=True)
    names: dict[str, str] = {}
    for at, name in enumerate(STRANGE):
        names |= {f"u{at:04d}": name, f"a{at:03d}": name, f"p{at:03d}": f"{at}{name}"[:9]}
    for file in tiny_history.glob("*.parquet"):
        table = pq.read_table(file)
        for column in ("user_id", "item_id"):
            if column in table.column_names:
                new = [names.get(old, old) for old in table.column(column).to_pylist()]
                at = table.schema.get_field_index(column)
                table = table.set_column(at, column, pa.array(new))
        if file.stem == "items":
            table = table.sort_by([("item_type", "ascending"), ("item_id", "ascending")])
        pq.write_table(table, folder / file.name)
    return folder


def make_strange_home(tiny_history: Path, folder: Path, *, as_of: datetime) -> Path:
    """A live release on exact search beside a filled feature store; returns the folder."""
    out = folder / "out"
    history = strange_history(tiny_history, folder / "history")
    index, parts = ExactIndex(out / "index" / "exact"), make_parts(folder / "parts", history, as_of)

    def payload(digest: str) -> Path:
        return parts.payload(folder / "payload", features=digest)

    simple_release(out, history, payload, index, as_of=as_of)
    return out


def moments(start: datetime) -> Iterator[datetime]:
    """Moments a second apart, each once."""
    from datetime import timedelta

    at = start
    while True:
        at += timedelta(seconds=1)
        yield at
