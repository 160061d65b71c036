"""A rebuild loses no event that was stored since its cut, also while it goes on."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from colisten.data.catalogue import Catalogue
from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.features.events import Event
from colisten.features.names import ONLINE_FILE
from colisten.features.seen import id_hashes
from colisten.features.store import OnlineFeatures
from tests.conftest import CUT, FIELDS, SIGNALS
from tests.feature_folders import table_of

SECOND = timedelta(seconds=1)


@pytest.fixture
def folder(tiny_history: Path, tmp_path: Path) -> Path:
    out = build_feature_repo(tiny_history, tmp_path / "out", as_of=CUT)
    materialize(out, as_of=CUT)
    return out


@pytest.fixture(scope="session")
def catalogue(tiny_history: Path) -> Catalogue:
    return Catalogue.read(tiny_history)


def events_of(folder: Path, catalogue: Catalogue, user: str) -> list[str]:
    batch = OnlineFeatures(folder, catalogue.index_of, FIELDS).read([user])
    history = batch.histories["audiobook"]
    ids: list[str] = catalogue.item_ids[history.items].tolist()
    starts = catalogue.item_ids[history.items[history.signals == SIGNALS.index("stream")]]
    assert batch.seen is not None
    assert np.isin(id_hashes(starts.tolist()), batch.seen[0]).all()
    return ids


def test_events_since_the_cut_stay_while_the_store_is_rebuilt_under_them(
    folder: Path, catalogue: Catalogue
) -> None:
    online = OnlineFeatures(folder, catalogue.index_of, FIELDS)
    before = events_of(folder, catalogue, "u0005")
    stored: list[str] = []
    rebuilt = threading.Event()

    def send() -> None:
        for at in range(400):
            item = f"a{at % 40:03d}"
            assert online.push(Event("newcomer", item, "audiobook", "stream", CUT + at * SECOND))
            stored.append(item)
            if rebuilt.is_set() and at >= 40:
                return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(3):
            materialize(folder, as_of=CUT)
    finally:
        rebuilt.set()
        sender.join()
    assert len(stored) >= 40
    assert events_of(folder, catalogue, "newcomer") == stored[-100:]
    assert events_of(folder, catalogue, "u0005") == before


def test_what_the_tables_know_comes_from_them_and_damage_stays_behind(
    folder: Path, catalogue: Catalogue
) -> None:
    online = OnlineFeatures(folder, catalogue.index_of, FIELDS)
    before = {user: events_of(folder, catalogue, user) for user in ("u0005", "u0006", "u0007")}
    # Late: the tables of a cut after it would have it.
    assert online.push(Event("u0005", "a001", "audiobook", "stream", CUT - timedelta(days=800)))
    with closing(sqlite3.connect(folder / ONLINE_FILE)) as store, store:
        for user, moment in (("u0006", "garbage"), ("u0007", 10_413_792_000)):
            changed = store.execute(
                f"UPDATE {table_of(folder, 'user_audiobook_history')} SET event_ts = ?, value = ? "
                "WHERE instr(entity_key, ?) > 0",
                (moment, b"\xff", user.encode()),
            ).rowcount
            assert changed == (3 if before[user] else 0)
    materialize(folder, as_of=CUT)
    assert {user: events_of(folder, catalogue, user) for user in before} == before


def test_a_file_that_is_no_store_is_replaced(folder: Path, catalogue: Catalogue) -> None:
    before = events_of(folder, catalogue, "u0005")
    (folder / ONLINE_FILE).write_bytes(b"no database at all" * 100)
    materialize(folder, as_of=CUT)
    assert events_of(folder, catalogue, "u0005") == before
    (folder / ONLINE_FILE).unlink()
    materialize(folder, as_of=CUT)
    assert events_of(folder, catalogue, "u0005") == before
