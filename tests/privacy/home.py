"""A run's folder with one person planted in it, by the real parts and without any training."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from colisten.data.contract import EXPOSURES, INTERACTIONS
from colisten.data.table_log import TableLog
from colisten.experiments.plan import DONE, SHOWN
from colisten.feature_repo.repo import build_feature_repo
from colisten.features.events import Event
from colisten.features.store import OnlineFeatures
from colisten.index import ExactIndex
from colisten.json_files import write_json
from tests.conftest import CUT, FIELDS
from tests.feature_folders import live_features, release_with_features
from tests.release.payloads import Parts, make_parts

PERSON = 'who\'s "this" */../[u]%_?\\ $HOME ☃'
"""Quotes, wildcards and the parts of a path: an id like any other."""
SIMILAR = 'who\'s "this" */../[u]%'
ONCE = "u0007"  # who becomes the person


@dataclass(frozen=True)
class PlantedHome:
    """The folder, the tables that it was made of and the ids of its releases."""

    out: Path
    tables: Path
    live: str
    previous: str


def plant(history: Path, folder: Path) -> PlantedHome:
    """Everything that a run, a service and an experiment leave of a person."""
    tables, out = folder / "tables", folder / "home"
    tables.mkdir(parents=True)
    for file in history.glob("*.parquet"):
        pq.write_table(_planted(pq.read_table(file)), tables / file.name)
    built = build_feature_repo(tables, folder / "features", as_of=CUT)
    ids = _releases(make_parts(folder / "parts", tables, CUT), folder, out, built)
    features = live_features(out)
    online = OnlineFeatures(features, lambda ids: np.full(len(ids), -1), FIELDS)
    for user in (PERSON, SIMILAR):
        moment = CUT + timedelta(days=1)
        assert online.push(Event(user, "a001", "audiobook", "stream", moment, event_id="e1"))
    _steps(tables, out / "steps")
    lists = pa.table({"user_id": ["u0001", PERSON, SIMILAR], "item_id": ["a0", "a1", "a2"]})
    (out / "shelves").mkdir()
    for name in ("recommendations", "shelves/popularity"):
        pq.write_table(lists, out / f"{name}.parquet", compression="zstd")
    _logs(out)
    (out / "reports").mkdir()
    (out / "reports" / "evaluation.html").write_text("<p>u00070 of 80 users</p>")
    return PlantedHome(out, tables, *ids)


def whole(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a folder, by name: its bytes, and what they stand for."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        yield name, content
        if content[:4] == b"PAR1":
            yield name, repr(pq.read_table(path).to_pydict()).encode()
        elif path.suffix == ".arrows":
            with pa.ipc.open_stream(content) as stream:
                for batch in _batches(stream):
                    yield name, repr(batch.to_pydict()).encode()
        elif content[:6] == b"SQLite":
            with closing(sqlite3.connect(path)) as connection:
                for line in connection.iterdump():
                    yield name, line.encode(errors="surrogateescape")


def naming(folder: Path, user_id: str) -> list[str]:
    """Files of a folder in which an id is found, however it is written."""
    spelled = {user_id, repr(user_id)[1:-1], user_id.replace("'", "''")}
    wanted = [one.encode() for one in spelled] + [user_id.encode().hex().upper().encode()]
    return sorted({name for name, content in whole(folder) if any(w in content for w in wanted)})


def _batches(stream: Any) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            yield stream.read_next_batch()
        except (StopIteration, pa.ArrowException, OSError):
            return


def _planted(table: pa.Table) -> pa.Table:
    if "user_id" not in table.column_names:
        return table
    users = table["user_id"]
    for old, new in ((ONCE, PERSON), ("u0008", SIMILAR)):
        users = pc.if_else(pc.equal(users, old), new, users)
    return table.set_column(table.column_names.index("user_id"), "user_id", users)


def _releases(parts: Parts, folder: Path, out: Path, built: Path) -> tuple[str, str]:
    index = ExactIndex(out / "index" / "exact")
    ids = []
    for number in range(2):
        place, service = folder / f"payload-{number}", f"serving_v{number}"
        payload = partial(_payload, parts, place, service)
        ids.append(release_with_features(out, built, payload, index))
    return ids[1], ids[0]


def _payload(parts: Parts, place: Path, service: str, digest: str) -> Path:
    return parts.payload(place, feature_service=service, features=digest)


def _steps(tables: Path, steps: Path) -> None:
    checked, evaluated = steps / "check_tables-1", steps / "evaluate-1"
    shutil.copytree(tables, checked / "history")
    (evaluated / "lists").mkdir(parents=True)
    np.save(evaluated / "lists" / "000.npy", np.arange(6).reshape(2, 3))
    for step in (checked, evaluated):
        write_json(step / "entry.json", {"key": "1"})


def _logs(out: Path) -> None:
    moment = CUT + timedelta(days=1)
    base = {"user_id": [PERSON, "u0001", SIMILAR, PERSON], "item_id": ["a0", "a1", "a2", "a3"]}
    for folder, columns in ((EXPOSURES.name, SHOWN), (INTERACTIONS.name, DONE)):
        values: dict[str, list[Any]] = {
            field.name: base.get(field.name, [moment if field.name == "timestamp" else None] * 4)
            for field in columns
        }
        if "position" in columns.names:
            values["position"] = [1, 1, 1, 1]
        rows = pa.table(values, schema=columns)
        log = TableLog(out / "exposures" / "shelf-1" / folder, columns, part_bytes=1 << 20)
        log.append(rows)
        log.append(rows)
        log.close()
        (out / "experiment").mkdir(exist_ok=True)
        pq.write_table(rows, out / "experiment" / f"{folder}.parquet")
