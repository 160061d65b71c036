"""Small worlds for evaluation: any list of events as tables, and a catalogue to go with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.data.catalogue import Catalogue
from colisten.evaluation.split import EvaluationSet
from colisten.ranking.events import EventLog
from colisten.ranking.ragged import Ragged
from colisten.settings.data import DataSettings

DAY = datetime(2025, 6, 1, tzinfo=UTC)
Event = tuple[str, str, str, str, float]
"""User, item, item type, signal, days after DAY."""

EVENTS = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("item_type", pa.string()),
        ("signal", pa.string()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
    ]
)


def at(days: float) -> datetime:
    return DAY + timedelta(days=days)


def write_events(folder: Path, events: Iterable[Event]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [dict(zip(EVENTS.names, (*event[:4], at(event[4])), strict=True)) for event in events]
    pq.write_table(pa.Table.from_pylist(rows, EVENTS), folder / "interactions.parquet")
    return folder


def catalogue_of(
    audiobooks: Iterable[str],
    podcasts: Iterable[str] = (),
    published: dict[str, float] | None = None,
) -> Catalogue:
    """A catalogue; `published` gives days after DAY, missing means no date."""
    published = published or {}
    items = [(item, "audiobook") for item in sorted(audiobooks)]
    items += [(item, "podcast") for item in sorted(podcasts)]
    dates = [at(published[item]) if item in published else None for item, _ in items]
    none = pa.array([None] * len(items), pa.string())
    return Catalogue(
        pa.table(
            {
                "item_id": pa.array([item for item, _ in items], pa.string()),
                "item_type": pa.array([kind for _, kind in items], pa.string()),
                "title": none,
                "description": none,
                "language": none,
                "published_at": pa.array(dates, pa.timestamp("us", tz="UTC")),
            }
        )
    )


def random_set(
    users: int, items: int, *, seed: int = 0, warm: float = 0.7, exclude: float = 0.05
) -> EvaluationSet:
    """An evaluation set with one to four random targets a user and random exclusions."""
    rng = np.random.default_rng(seed)
    rows, values, hidden_rows, hidden = [], [], [], []
    for user in range(users):
        order = rng.permutation(items)
        count = int(rng.integers(1, min(5, items + 1)))
        rows += [user] * count
        values += order[:count].tolist()
        others = order[count:][rng.random(items - count) < exclude]
        hidden_rows += [user] * len(others)
        hidden += others.tolist()
    targets = Ragged.of(np.array(rows), np.array(values), users)
    ids = np.empty(users, dtype=object)
    ids[:] = [f"u{user:05d}" for user in range(users)]
    return EvaluationSet(
        user_ids=ids,
        warm=rng.random(users) < warm,
        exclusions=Ragged.of(np.array(hidden_rows), np.array(hidden), users),
        available=np.ones(items, dtype=bool),
        cut=DAY,
        target_type="audiobook",
        targets=targets,
        num_targets=targets.counts,
        unreachable=0,
        window_days=30,
    )


def event_log(
    folder: Path | list[Path], catalogue: Catalogue, target: str = "audiobook"
) -> EventLog:
    """Events of one or more folders, asked about one of the two types."""
    folders = folder if isinstance(folder, list) else [folder]
    context = {"audiobook": "podcast", "podcast": "audiobook"}[target]
    return EventLog(folders, catalogue, DataSettings(target_type=target, context_types=(context,)))


class Scores:
    """A ranker whose scores are given, so that tests decide every rank."""

    def __init__(self, name: str, matrix: np.ndarray) -> None:
        self.name = name
        self.matrix = matrix.astype(np.float32)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        return self.matrix[rows]


def perfect(data: EvaluationSet, name: str = "perfect") -> Scores:
    """The ranker that knows the targets."""
    matrix = np.zeros((len(data), len(data.available)))
    matrix[data.targets.rows, data.targets.values] = 1.0
    return Scores(name, matrix)


@pytest.fixture
def events_at(tmp_path: Path) -> Callable[[Iterable[Event]], Path]:
    return lambda events: write_events(tmp_path / "events", events)
