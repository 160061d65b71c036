"""A payload holds what it was given and nothing from after the cut."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.data.catalogue import Catalogue
from colisten.data.interactions import read_interactions
from colisten.errors import ConfigError, ReleaseError
from colisten.files import folder_digests
from colisten.models.choices import Choice, Figures, write_choices
from colisten.ranking.events import EventLog
from colisten.release.manifest import Manifest
from colisten.release.payload import bind_payload
from colisten.release.popular import PopularLists, popular_lists
from colisten.settings.data import DataSettings
from tests.conftest import CUT, DATA, POPULARITY
from tests.release.payloads import Parts


def popular_by_hand(parts: Parts, country: str | None = None) -> dict[str, int]:
    """Distinct streaming users of each audiobook in the last 90 days, plainly counted."""
    people = pq.read_table(parts.history / "users.parquet").to_pylist()
    where = {person["user_id"]: person["country"] for person in people}
    rows = read_interactions(parts.history, as_of=CUT, since=CUT - timedelta(days=90)).to_pylist()
    users: dict[str, set[str]] = {}
    for row in rows:
        here = country is None or where[row["user_id"]] == country
        if here and row["signal"] == "stream" and row["item_type"] == "audiobook":
            users.setdefault(row["item_id"], set()).add(row["user_id"])
    return {item: len(found) for item, found in users.items()}


def test_popular_lists_are_plain_counts(parts: Parts) -> None:
    lists = popular_lists(EventLog([parts.history], parts.catalogue, DATA), CUT, POPULARITY)
    assert sorted(lists.everywhere) == list(range(40))
    assert sorted(lists.countries) == ["DE", "SE"]
    for country in (None, "DE", "SE"):
        counts = popular_by_hand(parts, country)
        order = lists.everywhere if country is None else lists.countries[country]
        found = [counts.get(parts.catalogue.item_ids[item], 0) for item in order]
        assert found == sorted(counts.values(), reverse=True) + [0] * (len(found) - len(counts))
    swedish = lists.of("SE")
    assert sorted(swedish) == list(range(40)), "the rest follows"
    assert (lists.of("XX") == lists.everywhere).all()
    assert (lists.of(None) == lists.everywhere).all()


def test_popular_lists_survive_the_disk(parts: Parts, tmp_path: Path) -> None:
    lists = PopularLists(np.array([3, 1, 2]), {"SE": np.array([2]), "日本": np.array([1, 3])})
    lists.write(tmp_path / "popular.parquet")
    read = PopularLists.read(tmp_path / "popular.parquet")
    assert read.everywhere.tolist() == [3, 1, 2]
    assert {name: items.tolist() for name, items in read.countries.items()} == {
        "SE": [2],
        "日本": [1, 3],
    }


def test_without_events_or_users_every_item_is_listed(parts: Parts, tmp_path: Path) -> None:
    events = pq.read_table(parts.history / "interactions.parquet")
    users = pq.read_table(parts.history / "users.parquet")
    pq.write_table(events.slice(0, 0), tmp_path / "interactions.parquet")
    pq.write_table(users.slice(0, 0), tmp_path / "users.parquet")
    lists = popular_lists(EventLog([tmp_path], parts.catalogue, DATA), CUT, POPULARITY)
    assert lists.everywhere.tolist() == list(range(40))
    assert lists.countries == {}


def test_later_events_change_no_byte(parts: Parts, tmp_path: Path) -> None:
    """Events at and after the moment are in the file, and the payload is the same."""
    as_of = CUT - timedelta(days=30)
    events = pq.read_table(parts.history / "interactions.parquet")
    folder = tmp_path / "history"
    folder.mkdir()
    for name in ("items", "users", "music"):
        (folder / f"{name}.parquet").write_bytes((parts.history / f"{name}.parquet").read_bytes())
    before = events.filter(pa.compute.less(events.column("timestamp"), pa.scalar(as_of)))
    assert 0 < len(before) < len(events)
    pq.write_table(before, folder / "interactions.parquet")
    full = parts.payload(tmp_path / "full", as_of=as_of)
    cut = parts.payload(tmp_path / "cut", as_of=as_of, history=folder)
    assert folder_digests(full) == folder_digests(cut)


def test_a_payload_is_the_same_bytes_twice(parts: Parts, payloads: tuple[Path, Path]) -> None:
    again = parts.payload(payloads[0].parent / "again")
    assert folder_digests(again) == folder_digests(payloads[0])


@pytest.mark.parametrize("missing", ["user_tower.onnx", "spec.json", "item_vectors.npy"])
def test_a_missing_part_is_said(parts: Parts, tmp_path: Path, missing: str) -> None:
    towers = tmp_path / "towers"
    towers.mkdir()
    for file in parts.towers.iterdir():
        if file.name != missing:
            (towers / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ReleaseError, match=missing):
        parts.payload(tmp_path / "out", towers=towers)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*.partial"))


def test_towers_of_another_catalogue_are_refused(parts: Parts, tmp_path: Path) -> None:
    fewer = Catalogue(parts.catalogue.table.slice(1))
    with pytest.raises(ReleaseError, match="this catalogue"):
        parts.payload(tmp_path / "out", catalogue=fewer)
    books = parts.catalogue.slice_of("audiobook")
    alone = Catalogue(parts.catalogue.table.slice(books.start, books.stop - books.start))
    with pytest.raises(ConfigError, match="'podcast' is unknown"):
        parts.payload(
            tmp_path / "out",
            catalogue=alone,
            data=DataSettings(target_type="podcast", context_types=()),
        )
    with pytest.raises(ConfigError, match="'magazine' is unknown"):
        parts.payload(tmp_path / "out", data=DataSettings(target_type="magazine"))


def test_what_the_training_chose_travels_into_the_manifest(
    parts: Parts, payloads: tuple[Path, Path], tmp_path: Path
) -> None:
    towers = shutil.copytree(parts.towers, tmp_path / "towers")
    figures = {"text": Figures(mrr=0.2, error=0.01, users=300)}
    chosen = Choice(question="Which?", chosen="text", reason="It leads.", candidates=figures)
    write_choices(towers, (chosen,))
    manifest = bind_payload(parts.payload(tmp_path / "payload", towers=towers))
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path).choices == (chosen,)
    plain = bind_payload(payloads[0])
    assert plain.release_id != manifest.release_id
    assert plain.choices == ()
    assert "choices" not in plain.model_dump(exclude_unset=True), "ids stay those of yesterday"
