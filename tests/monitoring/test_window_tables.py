"""Users of a window, counted within it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.interactions import read_interactions
from colisten.monitoring.checks import TASTE
from colisten.monitoring.taste import AXES, axes_name, taste_of
from colisten.monitoring.window_tables import UNKNOWN, WindowTables, volumes
from colisten.settings.engine import Engine
from tests.conftest import CUT

SINCE = CUT - timedelta(days=20)


def test_counts_are_those_of_the_window_and_not_of_a_lifetime(tiny_history: Path) -> None:
    events = read_interactions(tiny_history, as_of=CUT, since=SINCE).to_pandas()
    with WindowTables(tiny_history, None, Engine()) as tables:
        frame = tables.frame(SINCE, CUT)
        before = tables.frame(SINCE - timedelta(days=20), SINCE)
    assert frame["user_id"].tolist() == sorted(events["user_id"].unique())
    for kind in ("audiobook", "podcast"):
        own = events[events["item_type"] == kind].groupby("user_id").size()
        expected = own.reindex(frame["user_id"], fill_value=0).tolist()
        assert frame[f"{kind}_events"].tolist() == expected
    users = parquet.read(tiny_history / "users.parquet").to_pandas().set_index("user_id")
    ages = users["age"].reindex(frame["user_id"]).to_numpy(dtype=float)
    np.testing.assert_array_equal(frame["age"].to_numpy(dtype=float), ages)
    counts = volumes(frame)
    assert (counts["users"], counts["events"]) == (len(frame), len(events))
    assert sum(count for name, count in counts.items() if name.endswith(" users")) == len(frame)
    assert volumes(before)["events"] != counts["events"]


def test_taste_is_the_mean_place_of_what_was_listened_to(
    tiny_history: Path, tmp_path: Path
) -> None:
    catalogue = Catalogue.read(tiny_history)
    vectors = np.random.default_rng(0).normal(size=(len(catalogue), 32)).astype(np.float32)
    vectors[0] = 0
    taste = taste_of(catalogue.item_ids, vectors, tmp_path)
    assert taste is not None
    assert np.isnan(taste.places[0]).all()
    with WindowTables(tiny_history, taste, Engine()) as tables:
        frame = tables.frame(SINCE, CUT)
    user = frame["user_id"].iloc[0]
    events = read_interactions(tiny_history, as_of=CUT, since=SINCE).to_pandas()
    items = catalogue.index_of(events["item_id"][events["user_id"] == user].tolist())
    found = frame[[f"{TASTE}{at}" for at in range(AXES)]].iloc[0].to_numpy(dtype=float)
    np.testing.assert_allclose(found, np.nanmean(taste.places[items], axis=0))
    name = axes_name(tmp_path)
    again = taste_of(catalogue.item_ids, -vectors * 2, tmp_path)
    assert axes_name(tmp_path) == name, "axes stay when vectors change"
    assert again is not None
    np.testing.assert_allclose(again.places, -2 * taste.places)
    taste_of(catalogue.item_ids, vectors[:, :16], tmp_path)
    assert axes_name(tmp_path) != name, "vectors of another length have axes of their own"
    assert taste_of(catalogue.item_ids, vectors * 0, tmp_path) is None


def test_names_of_types_and_columns_may_be_anything_and_tables_may_lack(tmp_path: Path) -> None:
    folder = tmp_path / "a=b [c] 'd'"
    folder.mkdir()
    kind = 'it\'s "a"; DROP TABLE users'
    events = {
        "user_id": ["u1", "u2", "u1"],
        "item_id": ["i1", "i1", "i2"],
        "item_type": [kind] * 3,
        "timestamp": pa.array([SINCE] * 3, pa.timestamp("us", "UTC")),
    }
    parquet.write(pa.table(events), folder / "interactions.parquet")
    with WindowTables(folder, None, Engine()) as tables:
        assert tables.frame(SINCE, CUT)[f"{kind}_events"].tolist() == [2, 1]
        assert tables.frame(SINCE - timedelta(days=1), SINCE).empty
        assert (tables.first(), tables.last(CUT), tables.last(SINCE)) == (SINCE, SINCE, None)
        assert (tables.registered(), tables.null_shares()) == ({}, {})
    users = {
        "user_id": ["u1", "u2", "u3", "u4"],
        "country": ["SE", None, "SE", None],
        'a "column"': [1.0, None, None, None],
        "moment": pa.array([SINCE] * 4, pa.timestamp("us", "UTC")),
    }
    parquet.write(pa.table(users), folder / "users.parquet")
    with WindowTables(folder, None, Engine()) as tables:
        frame = tables.frame(SINCE, CUT)
        assert list(frame) == ["user_id", "country", 'a "column"', f"{kind}_events"]
        assert tables.registered() == {"SE": 2, UNKNOWN: 2}
        shares = tables.null_shares()["users"]
        assert shares == pytest.approx({"country": 0.5, 'a "column"': 0.75, "moment": 0})
        assert volumes(frame)[f"{UNKNOWN} users"] == 1
