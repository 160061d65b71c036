"""A release knows by hash what users had started, and nothing else of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from colisten.errors import ReleaseError
from colisten.release.loaded import LoadedRelease
from colisten.release.payload import bind_payload, copy_payload
from colisten.release.picks import seen_items
from colisten.release.seen import ITEMS, OFFSETS, USERS, SeenItems
from tests.conftest import CUT
from tests.release.payloads import Parts, make_parts


@pytest.fixture(scope="module")
def parts(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return make_parts(tmp_path_factory.mktemp("parts"), tiny_history, CUT)


def released(payload: Path, folder: Path) -> LoadedRelease:
    manifest = bind_payload(payload)
    folder.mkdir()
    copy_payload(payload, folder, manifest)
    return LoadedRelease.load(folder)


def test_it_is_all_that_everybody_had_started_before_the_cut(parts: Parts, tmp_path: Path) -> None:
    payload = parts.payload(tmp_path / "payload")
    release = released(payload, tmp_path / "release")
    events = pq.read_table(parts.history / "interactions.parquet").to_pandas()
    starts = events[
        (events.item_type == "audiobook") & (events.signal == "stream") & (events.timestamp < CUT)
    ]
    expected = starts.groupby("user_id").item_id.agg(lambda ids: sorted(set(ids)))
    assert len(expected) > 40
    assert len(release.seen.users) == len(expected)
    for user_id, ids in expected.items():
        assert sorted(seen_items(release, str(user_id), None)) == ids
    assert seen_items(release, "nobody", None) == []
    assert seen_items(release, None, None) == []
    stored = b"".join((payload / name).read_bytes() for name in (USERS, OFFSETS, ITEMS))
    assert not [user_id for user_id in expected.index if str(user_id).encode() in stored]


def test_it_is_left_out_where_it_is_not_wanted(parts: Parts, tmp_path: Path) -> None:
    payload = parts.payload(tmp_path / "payload", seen_items=False)
    assert not list(payload.glob("seen_*"))
    release = released(payload, tmp_path / "release")
    assert seen_items(release, "u0001", None) == []


def test_a_catalogue_finds_its_items_by_hash(parts: Parts, tmp_path: Path) -> None:
    from colisten.features.seen import id_hashes

    release = released(parts.payload(tmp_path / "payload"), tmp_path / "release")
    ids = ["a007", "p001", "of another release", "a039", "a000"]
    found = release.of_hashes(id_hashes(ids))
    assert release.item_ids[found].tolist() == ["a007", "a039", "a000"]
    assert len(release.of_hashes(np.zeros(0, np.uint64))) == 0


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    assert len(SeenItems.read(tmp_path).of("u1")) == 0
    SeenItems(np.arange(2, dtype=np.uint64), np.array([0, 1, 9]), np.zeros(2, np.int32)).write(
        tmp_path
    )
    with pytest.raises(ReleaseError, match="does not fit together"):
        SeenItems.read(tmp_path)
    (tmp_path / ITEMS).write_bytes(b"no array")
    with pytest.raises(ReleaseError, match="Cannot read what users had"):
        SeenItems.read(tmp_path)
