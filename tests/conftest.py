"""Small tables that every room's tests share.

Two planted tastes: a user of taste t mostly streams items of taste t of both types, so an
effect (co-listened items are alike, a graph helps) can be asserted, not only a shape.
"""

from __future__ import annotations

import gc
import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings

from colisten import garbage
from colisten.features.users import UserFields
from colisten.files import folder_digests
from colisten.ranking.popularity import PopularityRule
from colisten.settings.data import DataSettings
from tests.ahead import Ahead, Made
from tests.spark import local_spark

DATA = DataSettings()
ITEM_TYPES, SIGNALS = DATA.item_types, DATA.signal_names
FIELDS = UserFields.of(DATA, music_dim=4)
"""What the tiny tables hold of users."""
POPULARITY = PopularityRule(days=90, title_listeners=1, list_listeners=1)
"""Every listener counts, where tables are tiny."""

AHEAD = ("small_demo", "finished", "by_library", "piped", "images")
"""Fixtures of what is made beside the tests, in the order in which tests come to them."""
IMAGES = "COLISTEN_TEST_IMAGES"
"""Set, the images are built and run: some nine minutes of both cores where nothing is cached."""
START = datetime(2025, 1, 1, tzinfo=UTC)
CUT = START + timedelta(days=180)
WORDS = (
    ("detective", "murder", "harbour", "clue", "inspector", "alibi", "night", "witness"),
    ("galaxy", "robot", "orbit", "engine", "planet", "signal", "quantum", "voyage"),
)


def write_tiny_source(folder: Path, *, users: int = 80, seed: int = 0, days: int = 210) -> Path:
    """Write contract tables: 40 audiobooks, 60 podcasts, two tastes, `days` days from START."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    items = []
    for kind, count in (("audiobook", 40), ("podcast", 60)):
        for number in range(count):
            words = rng.permutation(WORDS[number % 2])
            items.append(
                {
                    "item_id": f"{kind[0]}{number:03d}",
                    "item_type": kind,
                    "title": " ".join(words[:3]),
                    "description": " ".join(words[2:]),
                    "language": "en" if number % 5 else "de",
                    "genres": [("crime", "science")[number % 2]],
                    "published_at": START - timedelta(days=int(rng.integers(1, 400))),
                }
            )
    people = [
        {
            "user_id": f"u{user:04d}",
            "country": ("SE", "DE", None)[user % 3],
            "age": None if user % 7 == 0 else float(18 + user % 50),
        }
        for user in range(users)
    ]
    music, events = [], []
    for user in range(users):
        taste = user % 2
        vector = rng.normal(size=4) + (2.0 if taste else -2.0)
        music.append(
            {
                "user_id": f"u{user:04d}",
                "music_vector": vector.astype(np.float32).tolist(),
                "timestamp": START + timedelta(days=1),
            }
        )
        kinds = ("podcast",) if user % 5 == 0 else ("audiobook", "podcast")
        for _ in range(int(rng.integers(8, 30))):
            kind = kinds[int(rng.integers(len(kinds)))]
            count = 40 if kind == "audiobook" else 60
            own = taste if rng.random() < 0.9 else 1 - taste
            number = int(count // 2 * rng.random() ** 1.7) * 2 + own
            signal = rng.choice(
                ["stream", "follow", "preview", "intent_to_pay"], p=[0.7, 0.1, 0.1, 0.1]
            )
            at = START + timedelta(seconds=int(rng.integers(2 * 86400, days * 86400)))
            events.append(
                {
                    "user_id": f"u{user:04d}",
                    "item_id": f"{kind[0]}{number:03d}",
                    "item_type": kind,
                    "signal": str(signal),
                    "timestamp": at,
                }
            )
    stamp = pa.timestamp("us", tz="UTC")
    write(folder / "items.parquet", items, published_at=stamp, genres=pa.list_(pa.string()))
    write(folder / "users.parquet", people, age=pa.float32())
    write(folder / "music.parquet", music, timestamp=stamp, music_vector=pa.list_(pa.float32()))
    events.sort(key=lambda event: (event["timestamp"], event["user_id"]))
    write(folder / "interactions.parquet", events, timestamp=stamp)
    return folder


def write(file: Path, rows: Sequence[Mapping[str, object]], **types: pa.DataType) -> None:
    """Write rows as parquet with the given column types."""
    table = pa.Table.from_pylist(rows)
    for name, type_ in types.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(name).cast(type_))
    pq.write_table(table, file)


garbage.search_rarely()
# How long an example takes on a machine that is shared says nothing of the code.
settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that want what is made beside the tests come last, those of the images at the end.

    Made it is while the others run, for which nobody has to wait.
    """
    latest = dict[Path, int]()
    for item in items:
        names = getattr(item, "fixturenames", ())
        places = [place for place, name in enumerate(AHEAD, 1) if name in names]
        latest[item.path] = max(latest.get(item.path, 0), *places, 0)
    items.sort(key=lambda item: latest[item.path])


def pytest_collection_finish() -> None:
    garbage.set_aside()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    garbage.set_aside()


def pytest_sessionfinish() -> None:
    """Let the interpreter take down what it built: some libraries count what is left of them."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of contract tables; CUT leaves 30 days of events after it."""
    return write_tiny_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def tiny_history(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checked history folder (see docs/architecture.md) of `tiny_source` at CUT."""
    out = tmp_path_factory.mktemp("history")
    items = pq.read_table(tiny_source / "items.parquet")
    pq.write_table(
        items.sort_by([("item_type", "ascending"), ("item_id", "ascending")]), out / "items.parquet"
    )
    for name in ("users", "music"):
        pq.write_table(pq.read_table(tiny_source / f"{name}.parquet"), out / f"{name}.parquet")
    events = pq.read_table(tiny_source / "interactions.parquet", filters=[("timestamp", "<", CUT)])
    order = [(name, "ascending") for name in ("timestamp", "user_id", "item_id", "signal")]
    pq.write_table(events.sort_by(order), out / "interactions.parquet")
    return out


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The Ibis backend of one Spark for all tests: to be there takes it half a minute."""
    with local_spark(tmp_path_factory.mktemp("warehouse")) as backend:
        yield backend


@pytest.fixture(scope="session", autouse=True)
def ahead(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Made]]:
    """What takes a minute or half of one: begun with the first test, by name of its fixture."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    beside, made = Ahead(), dict[str, Made]()
    for name in AHEAD:
        if name in wanted and (name != "images" or os.environ.get(IMAGES)):
            from tests.runs import begun

            data = request.getfixturevalue("tiny_source")
            made[name] = begun(name, beside, data, tmp_path_factory.mktemp(name))
    yield made
    beside.end()


def _printed(made: Made) -> str:
    done = made[1].result()
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="session")
def small_demo(ahead: dict[str, Made]) -> tuple[Path, dict[str, Any]]:
    """A folder that `colisten demo` filled from nothing, and its answer.

    Whoever does more there than ask for the same demo again takes a copy.
    """
    document: dict[str, Any] = json.loads(_printed(ahead["small_demo"]))
    return ahead["small_demo"][0], document


@pytest.fixture(scope="session")
def finished(ahead: dict[str, Made]) -> Path:
    """OUT of one finished run, which like its tables lies in a folder of an awkward name."""
    out, running = ahead["finished"]
    done = running.result()
    assert done.returncode == 0, done.stderr + (out / "steps/run.log").read_text()[-3000:]
    assert "2T-HGNN" in done.stdout
    return out


@pytest.fixture(scope="session")
def piped(ahead: dict[str, Made]) -> Iterator[Path]:
    """OUT of a release by Kubeflow's local runner, a process a step; nobody writes there."""
    _printed(ahead["piped"])
    out = ahead["piped"][0]
    before = folder_digests(out)
    yield out
    assert folder_digests(out) == before, "Whoever writes there takes a copy."


@dataclass(frozen=True)
class ServedHome:
    """An output folder with two releases of different seeds; the first is live."""

    folder: Path
    ids: list[str]


@pytest.fixture(scope="session")
def served_home(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> ServedHome:
    """Two releases of `tiny_history`, the first live; tests leave it as they found it."""
    from tests.serving.home import make_home

    folder = tmp_path_factory.mktemp("home") / "out"
    return ServedHome(folder, make_home(tiny_history, folder, as_of=CUT, seeds=(0, 1)))


def heeding_signals() -> None:
    """For `preexec_fn`: whoever runs the tests in the background has its children ignore some."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
