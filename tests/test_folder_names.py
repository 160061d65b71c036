"""Where the tables and a run lie changes nothing: not what is learned, stored, served or told."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from colisten.data import parquet
from colisten.data.backtest import backtest_cut
from colisten.data.catalogue import Catalogue
from colisten.data.contract import EXPOSURES, TABLES
from colisten.data.interactions import read_interactions
from colisten.data.prepare import prepare_tables
from colisten.evaluation.split import evaluation_set
from colisten.experiments.exposure import simulate_exposures
from colisten.experiments.outcomes import user_outcomes
from colisten.explain.inputs import CheckedTables
from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.features.starts import first_starts
from colisten.features.store import OnlineFeatures, open_store, training_rows, user_rows
from colisten.files import folder_digests
from colisten.graph.build import build_graph
from colisten.graph.graph import CoListeningGraph
from colisten.index import ExactIndex
from colisten.ranking.eligible import eligible_users
from colisten.ranking.events import EventLog
from colisten.ranking.popularity import popularity
from colisten.ranking.rankers import PopularityRanker
from colisten.ranking.recommend import recommend
from colisten.release.popular import PopularLists, popular_lists
from colisten.release.store import ReleaseStore
from colisten.settings.tree import Settings
from colisten.text.vectors import embed_items
from tests.conftest import CUT, DATA, FIELDS, POPULARITY, write_tiny_source
from tests.graph.sections import of_graph
from tests.release.payloads import make_parts

TARGET = "audiobook"
VALUES = {"item_type": "podcast", "signal": "stream", "user_id": "u0001", "timestamp": "2025-06-01"}
COLUMNS = sorted({column.name for table in TABLES for column in table.columns})
HIVE = "/".join(f"{name}={VALUES.get(name, '7')}" for name in COLUMNS)
FEATURES = "event_timestamp=2025-06-01/country=XX/age=7/audiobook_item_ids=a001/key=1/vector=2"
NASTY = "a [b] 'q' \"d\" #%41 ü/[!x]*?/{a,b}/back\\slash/co:lon/~x/$HOME/two\nlines/**/a b "
PLAIN = "plain/run"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of a few users, with exposures."""
    folder = write_tiny_source(tmp_path_factory.mktemp("source"), users=30)
    shown = [
        {
            "request_id": f"r{number}",
            "user_id": f"u{number % 30:04d}",
            "variant": "ab"[number % 2],
            "release_id": None,
            "surface": "home",
            "item_id": f"a{number % 40:03d}",
            "position": 1,
            "timestamp": CUT - timedelta(days=150 - number),
        }
        for number in range(120)
    ]
    table = pa.Table.from_pylist(shown, schema=EXPOSURES.schema)
    parquet.write(table, folder / "exposures.parquet")
    return folder


def learned(source: Path, out: Path) -> dict[str, Any]:
    """What every reader makes of the tables, with all that is read and written under `out`."""
    settings = Settings(threads=1)
    data = out / "data"
    shutil.copytree(source, data)
    found: dict[str, Any] = {
        "cut of the backtest": backtest_cut(data, cut=CUT, window_days=14, data=DATA)
    }
    summary = prepare_tables(
        data, out, cut=CUT, window_days=14, data=settings.data, engine=settings.engine
    )
    history = out / "history"
    catalogue = Catalogue.read(history)
    examples = first_starts(history, as_of=CUT, data=DATA)
    found |= {
        "prepared": summary.digests,
        "catalogue": catalogue.table,
        "events": read_interactions(history, as_of=CUT),
        "examples": examples,
        "days of the window": CheckedTables(history, out / "holdout", CUT).window_days,
    }
    graph = build_graph(history, as_of=CUT, **of_graph(settings))
    graph.save(out / "graph")
    found["graph"] = (graph.digest(), CoListeningGraph.load(out / "graph", verify=True).digest())
    text = embed_items(catalogue, settings.text, out / "cache" / "text")
    again = embed_items(catalogue, settings.text, out / "cache" / "text")
    np.testing.assert_array_equal(text, again)
    found["text"] = text.tobytes()
    found |= _features(history, out / "features", catalogue, examples, settings)
    found |= _measured(history, out, catalogue)
    found |= _released(history, out)
    return found


def _features(
    history: Path, out: Path, catalogue: Catalogue, examples: pa.Table, settings: Settings
) -> dict[str, Any]:
    build_feature_repo(
        history,
        out,
        as_of=CUT,
        data=settings.data,
        features=settings.features,
        engine=settings.engine,
    )
    materialize(out, as_of=CUT)
    store = open_store(out)
    everybody = parquet.read(history / "users.parquet").column("user_id").to_pylist()
    served = OnlineFeatures(out, catalogue.index_of, FIELDS).read(everybody)
    return {
        "sources": folder_digests(out / "sources"),
        "training rows": training_rows(store, examples),
        "users": user_rows(store, everybody, CUT),
        "served": repr(dataclasses.asdict(served)),
    }


def _measured(history: Path, out: Path, catalogue: Catalogue) -> dict[str, Any]:
    events = EventLog([history, out / "holdout"], catalogue, DATA)
    people = eligible_users(events, CUT)
    asked = evaluation_set(events, cut=CUT, window_days=14)
    counts = popularity(events, CUT)
    ranker = PopularityRanker("popularity", counts)
    shelf = out / "shelves" / "a.parquet"
    recommend(people, ranker.scores, catalogue, shelf, depth=5)
    shown = simulate_exposures(
        {"a": shelf, "b": shelf},
        experiment="names",
        shares={"a": 0.5, "b": 0.5},
        start=CUT,
        days=14,
        release_id="r1",
        seed=0,
    )
    parquet.write(shown, out / "shown.parquet")
    outcomes = user_outcomes(
        out / "shown.parquet",
        [folder / "interactions.parquet" for folder in events.folders],
        target_type=TARGET,
        attribution_hours=72,
    )
    return {
        "popularity": counts.tolist(),
        "people": people.user_ids.tolist(),
        "asked": asked.user_ids.tolist(),
        "shelf": parquet.read(shelf),
        "outcomes": outcomes.sort_by("user_id"),
    }


def _released(history: Path, out: Path) -> dict[str, Any]:
    parts = make_parts(out / "parts", history, CUT)
    payload = parts.payload(out / "payload")
    popular = popular_lists(EventLog([history], parts.catalogue, DATA), CUT, POPULARITY)
    kept = PopularLists.read(payload / "popular.parquet")
    store = ReleaseStore(out)
    with ExactIndex(out / "index") as index:
        release = store.publish(payload, index)
        store.promote(release, index)
    live = store.load_live()
    return {
        "popular": [lists.everywhere.tolist() for lists in (popular, kept)],
        "popular somewhere": {name: ids.tolist() for name, ids in popular.countries.items()},
        "payload": folder_digests(payload),
        "live": (live.release_id, live.index_of(parts.catalogue.item_ids).tolist()),
    }


@pytest.fixture(scope="module")
def plain(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found = learned(source, tmp_path_factory.mktemp("plain") / PLAIN)
    assert found["examples"].num_rows > 50
    assert found["training rows"].num_rows == found["examples"].num_rows
    return found


@pytest.mark.parametrize("name", [HIVE, FEATURES, NASTY], ids=["columns", "features", "nasty"])
def test_a_folders_name_changes_nothing(
    source: Path, plain: dict[str, Any], name: str, tmp_path: Path
) -> None:
    found = learned(source, tmp_path / name)
    for what, value in plain.items():
        assert found[what] == value, what
