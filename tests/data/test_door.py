"""What the door lets in, no later step refuses: tables of odd values go through all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.checks import check_tables
from colisten.data.contract import INTERACTIONS, ITEMS, MOST_MILLISECONDS, MUSIC, NUMBER, USERS
from colisten.data.ids import MAX_ID_BYTES, id_fault
from colisten.data.prepare import check_cut, prepare_tables
from colisten.errors import ColistenError
from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.feature_repo.sources import write_sources
from colisten.features.store import music_dim, open_store, user_rows
from colisten.features.transform import UserFeatureSpec, encode_users
from colisten.features.users import UserBatch, UserFields
from colisten.graph.build import build_graph
from colisten.index import ExactIndex
from colisten.index.filter import Filter
from colisten.index.milvus import MilvusIndex
from colisten.models.items import ItemFeatureSpec, encode_static
from colisten.ranking.events import EventLog
from colisten.release.popular import PopularLists, popular_lists
from colisten.settings.tree import Settings
from colisten.text.vectors import item_texts
from tests.conftest import CUT, DATA, ITEM_TYPES, POPULARITY, SIGNALS, START
from tests.graph.sections import of_graph

NOW = CUT + timedelta(days=60)
MOST = 2**63 - 1
SETTINGS = Settings()
Tables = dict[str, list[dict[str, Any]]]

IDS = st.one_of(
    st.text(max_size=6),
    st.text(st.sampled_from("a\0\n\r\t\"'\\ \u00e9\u0301\U0001f600\ufeff\x1b"), max_size=4),
    st.builds(
        lambda letter, size: letter * (size // len(letter.encode())),
        st.sampled_from(["x", "\U0001f600", "\0"]),
        st.sampled_from([5000, 20_000, MAX_ID_BYTES, MAX_ID_BYTES + 4]),
    ),
)
# A refused table shows nothing, so most are sound.
SOUND = IDS.filter(lambda text: id_fault(text) is None)
WORDS = st.none() | st.text(max_size=8) | st.sampled_from(["en", "EN", "sv_SE", "SE", "x" * 300])
DATES = st.one_of(
    st.none(),
    st.integers(10**15, 2 * 10**15),
    st.integers(10**15, 2 * 10**15),
    st.sampled_from([MOST, MOST - 1, -MOST, -MOST - 1, 253_402_300_800_000_000, 3 * 10**17]),
)
AGES = st.none() | st.floats(0, 150, width=32) | st.sampled_from([0.0, 1e-40, 149.99999999999997])
HEARD = st.none() | st.floats(0, MOST_MILLISECONDS)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(
    START.replace(tzinfo=None), (CUT + timedelta(days=20)).replace(tzinfo=None)
).map(lambda moment: moment.replace(tzinfo=UTC))


@st.composite
def odd_tables(draw: st.DrawFn) -> Tables:
    ids = draw(st.sampled_from([SOUND, SOUND, SOUND, IDS]))
    names = draw(st.lists(ids, min_size=4, max_size=8, unique=True))
    people = draw(st.lists(ids, min_size=1, max_size=4, unique=True))
    items = [
        {
            "item_id": name,
            "item_type": ITEM_TYPES[at % 2],
            "title": draw(WORDS),
            "description": draw(WORDS),
            "language": draw(WORDS),
            "genres": draw(st.none() | st.lists(WORDS, max_size=3)),
            "published_at": draw(DATES),
        }
        for at, name in enumerate(names)
    ]
    users = [{"user_id": name, "country": draw(WORDS), "age": draw(AGES)} for name in people]
    dim = draw(st.integers(1, 3))
    music = [
        {
            "user_id": name,
            "music_vector": draw(st.lists(FLOATS, min_size=dim, max_size=dim)),
            "timestamp": draw(TIMES),
        }
        for name in people
    ]
    heard = draw(
        st.lists(
            st.tuples(st.sampled_from(people), st.sampled_from(items), TIMES),
            min_size=4,
            max_size=12,
        )
    )
    events = [
        {
            "user_id": user,
            "item_id": item["item_id"],
            "item_type": item["item_type"],
            "signal": draw(st.sampled_from(SIGNALS)),
            "timestamp": at,
            "duration_ms": draw(HEARD),
        }
        for user, item, at in heard
    ]
    first = {"user_id": people[0], "item_id": names[0], "item_type": ITEM_TYPES[0]}
    events.append({**first, "signal": "stream", "timestamp": START, "duration_ms": None})
    return {"items": items, "users": users, "music": music, "interactions": events}


def write(folder: Path, tables: Tables) -> Path:
    folder.mkdir()
    for table in (ITEMS, USERS, MUSIC, INTERACTIONS):
        arrays = {}
        for column in table.columns:
            values = pa.array([row[column.name] for row in tables[table.name]])
            arrays[column.name] = (
                values if column.kind is NUMBER else values.cast(column.kind.arrow)
            )
        parquet.write(pa.table(arrays), folder / table.file_name)
    return folder


def accepted(source: Path, out: Path) -> Path | None:
    """The history folder, or None where the door refuses the tables."""
    try:
        check_tables(source, now=NOW)
        check_cut(source, cut=CUT, window_days=14)
    except ColistenError as refused:
        for violation in getattr(refused, "violations", (refused,)):
            event(f"refused: {type(violation).__name__}")
        return None
    event("accepted")
    prepare_tables(source, out, cut=CUT, window_days=14)
    return out / "history"


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusIndex]:
    with MilvusIndex(str(tmp_path_factory.mktemp("lite") / "door.db")) as index:
        yield index


def test_whatever_the_door_accepts_no_later_step_refuses(
    lite: MilvusIndex, tmp_path_factory: pytest.TempPathFactory
) -> None:
    counted: Counter[bool] = Counter()

    @settings(max_examples=20, deadline=None)
    @given(odd_tables())
    def go(tables: Tables) -> None:
        folder = tmp_path_factory.mktemp("door")
        history = accepted(write(folder / "source", tables), folder / "out")
        counted[history is not None] += 1
        if history is not None:
            go_on(history, folder, lite)

    go()
    assert counted[True] >= 4, counted


def go_on(history: Path, folder: Path, lite: MilvusIndex) -> None:
    catalogue = Catalogue.read(history)
    target = catalogue.slice_of("audiobook")
    ids, languages = catalogue.item_ids[target], catalogue.languages[target]

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(ids), 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    exact = ExactIndex(folder / "exact")
    for index in (exact, lite):
        columns = pa.table({"language": pa.array(languages, pa.string())})
        index.create("c", ids.tolist(), vectors, columns=columns)
    for language in {None, *languages}:
        for exclude in ((), ids.tolist()[:1]):
            include = {} if language is None else {"language": [language]}
            asked = Filter(include, {"item_id": exclude})
            one, other = (index.search("c", vectors, 9, filter=asked) for index in (exact, lite))
            assert one[0] == other[0]

    popular = popular_lists(EventLog([history], catalogue, DATA), CUT, POPULARITY)
    popular.write(folder / "popular.parquet")
    again = PopularLists.read(folder / "popular.parquet")
    assert set(again.countries) == set(popular.countries)
    write_sources(history, folder / "sources", as_of=CUT, text_vectors=None)
    spec = ItemFeatureSpec.fit(catalogue, "audiobook", {}, max_languages=4, max_genres=4)
    assert np.isfinite(encode_static(spec, catalogue, target)).all()
    build_graph(history, as_of=CUT, **of_graph(SETTINGS))
    assert len(item_texts(catalogue, 2000)) == len(catalogue)


@pytest.mark.slow
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(odd_tables())
def test_whatever_the_door_accepts_has_finite_features(
    tmp_path_factory: pytest.TempPathFactory, tables: Tables
) -> None:
    folder = tmp_path_factory.mktemp("door")
    history = accepted(write(folder / "source", tables), folder / "out")
    if history is None:
        return
    catalogue = Catalogue.read(history)
    build_feature_repo(history, folder / "repo", as_of=CUT)
    materialize(folder / "repo", as_of=CUT)
    store = open_store(folder / "repo")
    users = parquet.read(history / "users.parquet").column("user_id").to_pylist()
    rows = user_rows(store, users, CUT)
    fields = UserFields.of(DATA, music_dim(store))
    batch = UserBatch.from_table(rows, catalogue.index_of, fields)
    past = np.random.default_rng(0).normal(size=(len(catalogue), 4)).astype(np.float32)
    spec = UserFeatureSpec.fit(
        batch.take([0]), SETTINGS.data, SETTINGS.features, vector_dim=4, types=ITEM_TYPES
    )
    assert np.isfinite(encode_users(spec, batch, past)).all()
