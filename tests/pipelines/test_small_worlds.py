"""Worlds too small to say much go the whole way or are refused at the door, never in between."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from colisten.data.catalogue import Catalogue
from colisten.data.checks import check_tables
from colisten.data.prepare import cut_notices
from colisten.data.violation import Violation
from colisten.data.violations import NobodyStarted, NoHistory
from colisten.evaluation.table import EvaluationTable
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.settings.tree import Settings, load_settings
from colisten.steps.cache import step_cache
from colisten.steps.workflow import Home, Window, release
from tests.cli.test_commands import called
from tests.data.small import CUT, Event, write_small

LEAST = (
    "hgnn.max_steps=4",
    "hgnn.evaluate_every=2",
    "hgnn.batch_size=32",
    "hgnn.dim=16",
    "cross_fitting.folds=2",
    "hgnn.workers=0",
    "graph.factors=8",
    "towers.dim=16",
    "towers.hidden=[16]",
    "towers.epochs=1",
    "towers.min_steps=0",
    "towers.batch_size=32",
    "evaluation.bootstrap=50",
    "index.backend=exact",
)
DAY = timedelta(days=1)
WINDOW_DAYS = 14


def listening(
    users: int, books: int, podcasts: int, *, moment: Callable[[int], datetime] | None = None
) -> list[Event]:
    """Every user streams books and podcasts here and there from a hundred days before the cut."""
    when = moment or (lambda at: CUT - 100 * DAY + timedelta(hours=53 * at))
    events: list[Event] = []
    for user in range(users):
        for turn in range(8):
            at = (user * 7 + turn * 5) % 47
            events.append((f"u{user}", f"a{(user + turn * turn) % books}", "stream", when(at)))
            if podcasts:
                events.append((f"u{user}", f"p{(user + turn) % podcasts}", "stream", when(at + 1)))
    return events


@dataclass(frozen=True)
class World:
    """A world and how it ends.

    Attributes:
        events: What happens in it.
        books, podcasts: Sizes of the catalogue.
        refused: The violation at the door; None where it goes through.
        says: Part of a notice or, where it is refused, of the violation.
    """

    events: list[Event]
    books: int = 12
    podcasts: int = 6
    refused: type[Violation] | None = None
    says: str = ""


WORLDS = {
    "three titles of each type": World(listening(12, 3, 3), 3, 3, says="3 audiobook items can be"),
    "one title of each type": World(listening(12, 1, 1), 1, 1, says="One audiobook can be"),
    "one user": World(listening(1, 12, 6)),
    "one moment": World(
        listening(12, 12, 6, moment=lambda at: CUT - 20 * DAY), says="will not be measured"
    ),
    "one moment, just before the cut": World(
        listening(12, 12, 6, moment=lambda at: CUT - timedelta(microseconds=1))
    ),
    "one stream": World([("u1", "a3", "stream", CUT - 9 * DAY)], says="no co-listening"),
    "two streams of one user": World(
        [("u1", "a3", "stream", CUT - 9 * DAY), ("u1", "a4", "stream", CUT + DAY)]
    ),
    "everybody has had everything": World(
        [
            (f"u{user}", f"a{book}", "stream", CUT - 90 * DAY + timedelta(hours=user * 40 + book))
            for user in range(8)
            for book in range(12)
        ],
        says="nothing is left to recommend",
    ),
    "nobody to measure": World(
        [event for event in listening(12, 12, 6) if event[3] < CUT], says="will not be measured"
    ),
    "no podcast is listened to": World(listening(12, 12, 0)),
    "nobody shares an item": World(
        [(f"u{at}", f"a{at % 12}", "stream", CUT - (60 - at) * DAY) for at in range(12)],
        says="no co-listening",
    ),
    "nothing before the cut": World([("u1", "a1", "stream", CUT)], refused=NoHistory),
    "only podcasts": World(
        [event for event in listening(12, 12, 6) if event[1][0] == "p"], refused=NobodyStarted
    ),
    "only previews": World(
        [(user, item, "preview", at) for user, item, _, at in listening(12, 12, 6)],
        refused=NobodyStarted,
    ),
}


def notices(data: Path, settings: Settings) -> str:
    """What the doors of `colisten run` say before anything is written."""
    report = check_tables(data, data=settings.data)
    short_of = cut_notices(
        data, cut=CUT, window_days=WINDOW_DAYS, k=settings.evaluation.k, data=settings.data
    )
    return " ".join((*report.notices, *short_of))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of text vectors that the worlds share: they have the same titles."""
    return tmp_path_factory.mktemp("texts")


REFUSED = [name for name, world in WORLDS.items() if world.refused]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learned_from_is_refused_at_the_door(name: str, tmp_path: Path) -> None:
    world = WORLDS[name]
    data = write_small(tmp_path / "data", world.events)
    assert world.refused is not None
    with pytest.raises(world.refused) as caught:
        notices(data, load_settings(None, LEAST))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WORLDS if name not in REFUSED])
def test_a_small_world_goes_the_whole_way(name: str, tmp_path: Path, texts: Path) -> None:
    world = WORLDS[name]
    data = write_small(tmp_path / "data", world.events, books=world.books, podcasts=world.podcasts)
    settings = load_settings(None, (*LEAST, "evaluation.baselines=false"))
    assert world.says in notices(data, settings)
    home = Home.at(tmp_path / "out")
    home.texts.parent.mkdir(parents=True)
    home.texts.symlink_to(texts)
    with step_cache(home.steps, "release", settings) as cache:
        release(cache, Window(data, CUT, WINDOW_DAYS), home)

    metrics = json.loads((home.out / "metrics.json").read_text())
    for part in ("test", "validation"):
        table = EvaluationTable.model_validate(metrics[part])
        for row in table.rows:
            for measure in row.metrics.values():
                assert measure.value is None or math.isfinite(measure.value)
    released = metrics["release"]
    told = " ".join(released["reasons"] + released["warnings"])
    assert "is above" in told or "is not above" in told or "not judged" in told or "reaches" in told
    store = ReleaseStore(home.out)
    loaded = LoadedRelease.load(store.folder(released["release_id"]))
    assert (store.live_manifest() is not None) is released["promoted"]
    assert loaded.target.stop - loaded.target.start == world.books

    had = {
        (user, item) for user, item, signal, at in world.events if signal == "stream" and at < CUT
    }
    known = {user for user, _, _, at in world.events if at < CUT}
    rows = pq.read_table(home.out / "recommendations.parquet").to_pylist()
    pairs = {(row["user_id"], row["item_id"]) for row in rows}
    catalogue = Catalogue.read(Path(sorted(home.steps.glob("check_tables-*/history"))[0]))
    books = catalogue.item_ids[catalogue.slice_of("audiobook")]
    assert pairs == {(user, book) for user in known for book in books} - had


@pytest.mark.slow
@pytest.mark.parametrize("name", ["three titles of each type", "one moment"])
def test_the_command_goes_the_whole_way(name: str, tmp_path: Path) -> None:
    world = WORLDS[name]
    data = write_small(tmp_path / "data", world.events, books=world.books, podcasts=world.podcasts)
    out = tmp_path / "out"
    options = [part for one in (*LEAST, "evaluation.baselines=false") for part in ("--set", one)]
    when = ["--cut", CUT.date().isoformat(), "--window-days", str(WINDOW_DAYS)]
    code, printed, errors = called("run", "--data", str(data), "--out", str(out), *when, *options)
    assert code == 0, errors
    assert "Notice: " in errors
    assert world.says in errors
    assert "Traceback" not in errors
    assert json.loads((out / "metrics.json").read_text())["release"]["release_id"] in printed
