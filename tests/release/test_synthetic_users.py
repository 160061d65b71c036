"""The golden set tells of nobody: no user of a simulated world can be found in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from colisten.data.catalogue import Catalogue
from colisten.data.moments import parse_moment
from colisten.data.prepare import prepare_tables
from colisten.features.names import history_columns
from colisten.features.transform import UserFeatureSpec
from colisten.ranking.events import EventLog
from colisten.ranking.popularity import PopularityRule
from colisten.release.golden_set import USERS
from colisten.release.synthetic_users import synthetic_users
from colisten.settings.data import DataSettings
from colisten.settings.sections import EvaluationSettings
from colisten.simulator import WorldSettings, simulate

DATA = DataSettings(user_features={"plan": "category", "devices": "number"})
RULE = PopularityRule.of(EvaluationSettings())
WORLD = WorldSettings(users=400, audiobooks=120, podcasts=200, days=90, chunk_users=250, seed=3)
Histories = list[frozenset[str]]


@pytest.fixture(scope="module")
def cut_and_history(tmp_path_factory: pytest.TempPathFactory) -> tuple[datetime, Path]:
    folder = tmp_path_factory.mktemp("world")
    cut = parse_moment(str(simulate(folder / "world", WORLD).cut), "cut")
    prepare_tables(folder / "world", folder / "tables", cut=cut, window_days=30)
    return cut, folder / "tables" / "history"


@pytest.fixture(scope="module")
def spec(cut_and_history: tuple[datetime, Path]) -> UserFeatureSpec:
    _, history = cut_and_history
    country = pq.read_table(history / "users.parquet")["country"]
    return UserFeatureSpec(
        countries=tuple(sorted(pc.unique(country).drop_null().to_pylist())),
        age_mean=38.0,
        age_scale=11.0,
        music_mean=(0.1, -0.2, 0.3),
        music_scale=(1.0, 0.5, 2.0),
        types=DATA.item_types,
        half_life_days=60.0,
        signals=DATA.signal_names,
        signal_weights=(1.0,) * len(DATA.signal_names),
        vector_dim=4,
        categories={"plan": ("family", "single")},
        numbers={"devices": (2.0, 1.0)},
    )


@pytest.fixture(scope="module")
def log(cut_and_history: tuple[datetime, Path]) -> EventLog:
    _, history = cut_and_history
    return EventLog([history], Catalogue.read(history), DATA)


@pytest.fixture(scope="module")
def rows(cut_and_history: tuple[datetime, Path], log: EventLog, spec: UserFeatureSpec) -> pa.Table:
    return synthetic_users(spec, log, cut_and_history[0], RULE, USERS)


def golden(rows: pa.Table, item_type: str) -> Histories:
    """Titles of each row that has any of the type."""
    listed = rows[history_columns(item_type)[0]].to_pylist()
    return [frozenset(items) for items in listed if items]


def people(log: EventLog, item_type: str, shuffled: bool = False) -> Histories:
    """Titles of each person; shuffled, those of people who never were: events change hands."""
    events = pq.read_table(log.folders[0] / "interactions.parquet")
    events = events.filter(pc.equal(events["item_type"], item_type))
    users = np.array(events["user_id"].to_pylist(), dtype=object)
    if shuffled:
        users = np.random.default_rng(0).permutation(users)
    found: dict[str, set[str]] = {}
    for user, item in zip(users, events["item_id"].to_pylist(), strict=True):
        found.setdefault(user, set()).add(item)
    return [frozenset(items) for items in found.values()]


def nearest(drawn: Histories, known: Histories) -> np.ndarray:
    """The attack: the largest overlap (Jaccard) of each history with any person's."""
    return np.array([max(len(one & of) / len(one | of) for of in known) for one in drawn])


@pytest.mark.parametrize("item_type", DATA.item_types)
def test_no_history_is_that_of_a_person_nor_among_it(
    rows: pa.Table, log: EventLog, item_type: str
) -> None:
    drawn, known = golden(rows, item_type), people(log, item_type)
    assert len(drawn) > USERS / 2, "most of them have a history"
    assert not [one for one in drawn for of in known if one <= of]


@pytest.mark.parametrize("item_type", DATA.item_types)
def test_the_nearest_person_is_no_nearer_than_chance(
    rows: pa.Table, log: EventLog, item_type: str
) -> None:
    drawn = golden(rows, item_type)
    own = nearest(drawn, people(log, item_type))
    chance = nearest(drawn, people(log, item_type, shuffled=True))
    spread = (own - chance).std() / np.sqrt(len(drawn))
    assert own.mean() <= chance.mean() + 2 * spread
    assert own.max() < 0.6
    known = people(log, item_type)
    assert (nearest(known[:USERS], known) == 1).all(), "rows of people are found by it"


def test_no_row_has_a_persons_moment_age_or_music(rows: pa.Table, log: EventLog) -> None:
    folder = log.folders[0]
    moments = pq.read_table(folder / "interactions.parquet")["timestamp"].cast(pa.int64())
    ages = pq.read_table(folder / "users.parquet")["age"]
    music = pq.read_table(folder / "music.parquet")["music_vector"]
    for item_type in DATA.item_types:
        times = pc.list_flatten(rows[history_columns(item_type)[2]])
        assert not pc.any(pc.is_in(times, value_set=moments.combine_chunks())).as_py()
    for column, theirs in (("age", ages), ("music_vector", pc.list_flatten(music))):
        own = pc.list_flatten(rows[column]) if column == "music_vector" else rows[column]
        known = theirs.combine_chunks().cast(pa.float32()).drop_null()
        assert not pc.any(pc.is_in(own.drop_null(), value_set=known)).as_py()


def test_every_field_is_known_of_some_and_unknown_of_some(rows: pa.Table) -> None:
    assert rows["user_id"].to_pylist() == [f"synthetic-{at:02d}" for at in range(USERS)]
    lists = [name for name in rows.column_names if pa.types.is_list(rows[name].type)]
    for name in rows.column_names[1:]:
        known = [bool(value) for value in rows[name].to_pylist()]
        assert 0 < sum(known) < USERS, name
    assert len(lists) == 1 + 3 * len(DATA.item_types)
    last = rows.slice(USERS - 1).to_pylist()[0]
    assert set(last.values()) == {None, f"synthetic-{USERS - 1:02d}"}


def test_later_events_change_nothing_and_all_lie_before(
    cut_and_history: tuple[datetime, Path], spec: UserFeatureSpec, tmp_path: Path
) -> None:
    cut, history = cut_and_history
    as_of = cut - timedelta(days=20)
    before = (tmp_path / "history").resolve()
    before.mkdir()
    for file in history.glob("*.parquet"):
        pq.write_table(pq.read_table(file), before / file.name)
    events = pq.read_table(history / "interactions.parquet")
    early = events.filter(pc.less(events["timestamp"], pa.scalar(as_of)))
    pq.write_table(early, before / "interactions.parquet")
    catalogue = Catalogue.read(history)
    both = [
        synthetic_users(spec, EventLog([folder], catalogue, DATA), as_of, RULE, USERS)
        for folder in (history, before)
    ]
    assert both[0] == both[1]
    for item_type in DATA.item_types:
        times = pc.list_flatten(both[0][history_columns(item_type)[2]])
        assert pc.max(times).as_py() < int(as_of.timestamp() * 1e6)


def test_where_somebody_heard_everything_nothing_is_drawn(
    cut_and_history: tuple[datetime, Path], spec: UserFeatureSpec, tmp_path: Path
) -> None:
    cut, history = cut_and_history
    catalogue = Catalogue.read(history)
    events = pq.read_table(history / "interactions.parquet")
    count = len(catalogue)
    everything = {
        "user_id": ["who heard all"] * count,
        "item_id": catalogue.item_ids.tolist(),
        "item_type": catalogue.item_types.tolist(),
        "signal": ["stream"] * count,
        "timestamp": [cut - timedelta(days=1)] * count,
    }
    columns = {
        field.name: pa.array(everything.get(field.name, [None] * count), field.type)
        for field in events.schema
    }
    more = pa.concat_tables([events, pa.table(columns, schema=events.schema)])
    pq.write_table(more, tmp_path / "interactions.parquet")
    rows = synthetic_users(spec, EventLog([tmp_path], catalogue, DATA), cut, RULE, 4)
    assert [golden(rows, item_type) for item_type in DATA.item_types] == [[], []]
    assert rows["country"].null_count < 4
