"""Types and signals are data: any words go through the door, and come back out of the features."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from colisten.data import parquet
from colisten.data.backtest import backtest_cut
from colisten.data.catalogue import Catalogue
from colisten.data.checks import check_tables
from colisten.data.prepare import check_cut, cut_notices, prepare_tables
from colisten.data.violations import ItemTypeMissing, UnknownItemType, UnknownSignal
from colisten.errors import ConfigError, EventRefused
from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.features.events import Event
from colisten.features.starts import first_starts
from colisten.features.store import OnlineFeatures, open_store, user_rows
from colisten.features.users import UserBatch, UserFields
from colisten.settings.data import DataSettings
from colisten.settings.tree import Settings
from tests.conftest import CUT, START
from tests.worlds import read_tables, renamed, single_type, write_tables

STAMP = pa.timestamp("us", tz="UTC")


def is_name(text: str) -> bool:
    try:
        DataSettings(target_type=text)
    except ValidationError:
        return False
    return True


HOSTILE = ["a", "A", "a/b", "a_x2f_b", "../it's", '100 % "of"', "x; DROP TABLE items", "*.parquet"]
HOSTILE += ["\u00fc", "u\u0308", "\U0001f600" * 64, "-", "_", "__", "_x", "item type", "key=value"]
NAMES = st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=64).filter(is_name)


@st.composite
def words(draw: st.DrawFn) -> DataSettings:
    target, *context = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    signals = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    starts = draw(st.lists(st.sampled_from(signals), min_size=1, unique=True))
    return DataSettings(
        target_type=target,
        context_types=tuple(context),
        signals=dict.fromkeys(signals, 1.0),
        start_signals=tuple(starts),
    )


def write(folder: Path, data: DataSettings) -> list[dict[str, object]]:
    """Three items a type; three users who do everything to them, before and after CUT."""
    events = [
        {
            "user_id": f"u{user}",
            "item_id": f"{at}-{number}",
            "item_type": item_type,
            "signal": signal,
            "timestamp": START + timedelta(days=100 * round_, hours=user + 7 * at + code),
        }
        for user in range(3)
        for at, item_type in enumerate(data.item_types)
        for number in range(3)
        for code, signal in enumerate(data.signal_names)
        for round_ in range(3)
    ]
    items = {str(event["item_id"]): event["item_type"] for event in events}
    table = {"item_id": [*items], "item_type": [*items.values()], "title": pa.nulls(len(items))}
    folder.mkdir(parents=True)
    parquet.write(pa.table(table), folder / "items.parquet")
    rows = pa.Table.from_pylist(events)
    at = rows.schema.get_field_index("timestamp")
    stamped = rows.set_column(at, "timestamp", rows.column("timestamp").cast(STAMP))
    parquet.write(stamped, folder / "interactions.parquet")
    return events


@settings(max_examples=12, deadline=None)
@given(data=words())
def test_tables_of_any_words_go_through_the_door(
    data: DataSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("words")
    events = write(folder / "source", data)
    chosen = Settings(data=data)
    report = check_tables(folder / "source", data=chosen.data)
    assert report.items == dict.fromkeys(data.item_types, 3)
    assert report.signals == dict.fromkeys(data.signal_names, len(events) // len(data.signals))
    check_cut(folder / "source", cut=CUT, window_days=30, data=chosen.data)
    cut_notices(folder / "source", cut=CUT, window_days=30, k=10, data=data)
    prepare_tables(folder / "source", folder / "out", cut=CUT, window_days=90, data=chosen.data)
    catalogue = Catalogue.read(folder / "out" / "history")
    assert [catalogue.item_types[catalogue.slice_of(name)][0] for name in data.item_types] == list(
        data.item_types
    )
    starts = first_starts(folder / "out" / "history", as_of=CUT, data=data)
    assert starts.num_rows == 9
    first = min(data.signal_names.index(name) for name in data.start_signals)
    hours = 7 * data.item_types.index(data.target_type) + first
    assert starts.column("timestamp")[0].as_py() == START + timedelta(hours=hours)
    moment = backtest_cut(folder / "source", cut=CUT, window_days=30, data=data)
    assert START < moment < CUT


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(data=words())
def test_histories_hold_the_words_that_went_in(
    data: DataSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("words")
    events = write(folder / "source", data)
    chosen = Settings(data=data)
    prepare_tables(folder / "source", folder / "out", cut=CUT, window_days=90, data=chosen.data)
    history = folder / "out" / "history"
    repo = build_feature_repo(
        history, folder / "repo", as_of=CUT, data=chosen.data, features=chosen.features
    )
    materialize(repo, as_of=CUT)
    catalogue, fields = Catalogue.read(history), UserFields.of(data, 0)
    offline = UserBatch.from_table(
        user_rows(open_store(repo), ["u1"], CUT), catalogue.index_of, fields
    )
    online = OnlineFeatures(repo, catalogue.index_of, fields)
    assert (online.types, online.signals) == (data.item_types, data.signal_names)
    for batch in (offline, online.read(["u1"])):
        for item_type in data.item_types:
            past = batch.histories[item_type]
            answered = {
                (catalogue.item_ids[item], data.signal_names[code], time)
                for item, code, time in zip(past.items, past.signals, past.times, strict=True)
            }
            own = [one for one in events if one["user_id"] == "u1" and one["timestamp"] < CUT]  # type: ignore[operator]
            assert answered == {
                (one["item_id"], one["signal"], Event(**one).time)  # type: ignore[arg-type]
                for one in own
                if one["item_type"] == item_type
            }
    last = Event("u1", "0-0", data.item_types[0], data.signal_names[-1], CUT)
    assert online.push(last)
    assert online.read(["u1"]).histories[data.item_types[0]].times[-1] == last.time
    with pytest.raises(EventRefused, match="is unknown"):
        online.push(Event("u1", "0-0", data.item_types[0], "no such signal", CUT))


SHOP = DataSettings(
    target_type="film",
    context_types=("podcast",),
    signals={"purchase": 1.0, "wishlist": 0.7, "preview": 0.4, "intent_to_pay": 0.7},
    start_signals=("purchase",),
)
TYPES, SIGNALS = {"audiobook": "film"}, {"stream": "purchase", "follow": "wishlist"}


def test_other_words_change_nothing_else(tiny_source: Path, tmp_path: Path) -> None:
    tables = renamed(read_tables(tiny_source), types=TYPES, signals=SIGNALS)
    source = write_tables(tmp_path / "source", tables)
    told = cut_notices(source, cut=CUT, window_days=30, k=10, data=SHOP)
    assert told == cut_notices(tiny_source, cut=CUT, window_days=30, k=10)
    here = backtest_cut(source, cut=CUT, window_days=30, data=SHOP)
    assert here == backtest_cut(tiny_source, cut=CUT, window_days=30, data=DataSettings())


def test_words_that_settings_do_not_name_are_refused_with_the_setting(
    tiny_source: Path, tmp_path: Path
) -> None:
    tables = read_tables(tiny_source)
    films = write_tables(tmp_path / "films", renamed(tables, types={"podcast": "film"}))
    with pytest.raises(Exception, match=r"'film'.*data\.context_types") as refused:
        check_tables(films)
    kinds = {type(one) for one in refused.value.violations}  # type: ignore[attr-defined]
    assert kinds == {UnknownItemType}
    shop = write_tables(tmp_path / "shop", renamed(tables, signals=SIGNALS))
    with pytest.raises(UnknownSignal, match=r"'purchase'.*data\.signals"):
        check_tables(shop)


def test_a_single_type_is_enough_and_a_named_one_must_occur(
    tiny_source: Path, tmp_path: Path
) -> None:
    alone = write_tables(tmp_path / "alone", single_type(read_tables(tiny_source), "podcast"))
    podcasts = Settings(data=DataSettings(target_type="podcast", context_types=()))
    assert check_tables(alone, data=podcasts.data).items == {"podcast": 60}
    prepare_tables(alone, tmp_path / "out", cut=CUT, window_days=30, data=podcasts.data)
    catalogue = Catalogue.read(tmp_path / "out" / "history")
    assert catalogue.slice_of("podcast") == slice(0, 60)
    with pytest.raises(ConfigError, match="nearest known one is 'podcast'"):
        catalogue.slice_of("podcasts")
    with pytest.raises(ItemTypeMissing, match="items has no audiobook"):
        check_tables(alone)
