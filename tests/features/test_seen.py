"""What a user had is known whole, however short the model's history is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.data.catalogue import Catalogue
from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.features.events import Event
from colisten.features.seen import id_hashes, read_seen, with_item
from colisten.features.store import OnlineFeatures
from colisten.settings.sections import FeatureSettings
from tests.conftest import CUT, FIELDS

MINUTE = timedelta(minutes=1)
STREAM = Event("u0005", "a900", "audiobook", "stream", CUT + MINUTE)


@given(st.lists(st.text(max_size=4).filter(lambda one: one.isprintable()), max_size=20))
def test_a_set_holds_each_item_once_in_whatever_order_they_come(ids: list[str]) -> None:
    stored = b""
    for at, item_id in enumerate(ids):
        grown = with_item(stored, item_id)
        assert (grown is None) == (item_id in ids[:at])
        stored = stored if grown is None else grown
    assert read_seen(stored).tolist() == np.sort(id_hashes(set(ids))).tolist()
    assert len(read_seen(None)) == 0
    with pytest.raises(ValueError, match="buffer"):
        read_seen(b"no hash")


def started(history: Path, user_id: str) -> set[str]:
    events = pq.read_table(history / "interactions.parquet")
    for column, value in (
        ("user_id", user_id),
        ("item_type", "audiobook"),
        ("signal", "stream"),
    ):
        events = events.filter(pc.equal(events.column(column), value))
    return set(
        events.filter(pc.less(events.column("timestamp"), CUT)).column("item_id").to_pylist()
    )


def had(online: OnlineFeatures, user_id: str) -> list[int]:
    seen = online.read([user_id]).seen
    assert seen is not None
    hashes: list[int] = seen[0].tolist()
    return hashes


def hashes(ids: set[str]) -> list[int]:
    return sorted(id_hashes(ids).tolist())


def know_all(history: Path, folder: Path, catalogue: Catalogue, **features: Any) -> None:
    """What is filled in, what events add, and what they do not."""
    settings = FeatureSettings(history_length=2, **features)
    build_feature_repo(history, folder, as_of=CUT, features=settings)
    materialize(folder, as_of=CUT)
    online = OnlineFeatures(folder, catalogue.index_of, FIELDS)
    everyone = [f"u{at:04d}" for at in range(80)]
    before = {user: started(history, user) for user in everyone}
    assert max(map(len, before.values())) > 2
    batch = online.read([*everyone, "nobody"])
    assert batch.seen is not None
    assert [one.tolist() for one in batch.seen] == [*map(hashes, before.values()), []]
    assert batch.take([3]).seen[0].tolist() == hashes(before["u0003"])  # type: ignore[index]

    mine = before[STREAM.user_id]
    assert online.push(STREAM)
    for at in range(3):
        assert online.push(replace(STREAM, item_id=f"a{910 + at}", signal="preview"))
    # The preview pushed it out of the history, and it stays known.
    assert online.read([STREAM.user_id]).histories["audiobook"].counts[0] < 3
    assert had(online, STREAM.user_id) == hashes(mine | {"a900"})
    # Older than all that the history can hold, and yet something that the user had.
    old = replace(STREAM, item_id="a901", timestamp=CUT - timedelta(days=900))
    assert online.push(old)
    assert not online.push(old)
    assert had(online, STREAM.user_id) == hashes(mine | {"a900", "a901"})
    assert online.push(replace(STREAM, item_type="podcast", item_id="p001"))
    assert online.push(replace(STREAM, user_id="nobody"))
    assert had(online, STREAM.user_id) == hashes(mine | {"a900", "a901"})
    assert had(online, "nobody") == hashes({"a900"})


def test_sqlite_knows_all_that_a_user_had(
    tiny_history: Path, tmp_path: Path, catalogue: Catalogue
) -> None:
    know_all(tiny_history, tmp_path / "out", catalogue)


@pytest.mark.slow
def test_redis_knows_all_that_a_user_had(
    redis_address: str, tiny_history: Path, tmp_path: Path, catalogue: Catalogue
) -> None:
    know_all(tiny_history, tmp_path / "out", catalogue, online_store="redis", redis=redis_address)
