"""`colisten recommend` and `colisten similar` say at the shell what the library says."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import colisten
from colisten.cli.filters import read_filter
from colisten.cli.user_ids import every_user, read_user_ids
from colisten.data import parquet
from colisten.errors import ColistenError, ConfigError, FeatureError, FilterRefused
from colisten.release.front import Release
from colisten.release.shelf_table import SCHEMA
from tests.cli.test_commands import called
from tests.serving.conftest import Home, home  # noqa: F401


@pytest.fixture(scope="module")
def release(home: Home) -> Release:  # noqa: F811
    return colisten.load_release(home.folder)


def document(*arguments: str) -> Any:
    code, output, errors = called(*arguments, "--json")
    assert code == 0, errors
    return json.loads(output)


@pytest.mark.slow
def test_a_shelf_is_that_of_the_library(home: Home, release: Release) -> None:  # noqa: F811
    out = str(home.folder)
    answer = document("recommend", "--out", out, "--user", "u0001", "--user", "nobody", "-k", "4")
    assert answer["release_id"] == release.release_id
    warm, unknown = answer["shelves"]
    assert warm["items"] == json.loads(
        json.dumps([asdict(r) for r in release.recommend("u0001", 4)])
    )
    assert (warm["known"], unknown["known"]) == (True, False)
    assert len(unknown["items"]) == 4
    german = document("recommend", "--out", out, "--user", "u0001", "--language", "de")
    only = colisten.Filter(include={"language": ["de"]})
    ids = [each["item_id"] for each in german["shelves"][0]["items"]]
    assert ids == [each.item_id for each in release.recommend("u0001", filter=only)]
    code, text, _ = called("recommend", "--out", out, "--user", "nobody", "--user", "u0001")
    assert code == 0
    assert "nothing is known of this user" in " ".join(text.split())
    left = ids[0]
    fewer = document(
        "recommend", "--out", out, "--user", "u0001", "--language", "de", "--exclude", left
    )
    assert [each["item_id"] for each in fewer["shelves"][0]["items"]][: len(ids) - 1] == ids[1:]


@pytest.mark.slow
def test_similar_titles_are_those_of_the_library(home: Home, release: Release) -> None:  # noqa: F811
    answer = document("similar", "--out", str(home.folder), "--item", "p010", "-k", "3")
    assert [each["item_id"] for each in answer["items"]] == [
        each.item_id for each in release.similar("p010", 3)
    ]
    code, _, errors = called("similar", "--out", str(home.folder), "--item", "no such")
    assert (code, "has no item 'no such'. Take an item_id of" in errors) == (2, True)
    assert "similar to" in called("similar", "--out", str(home.folder), "--item", "a003")[1]


@pytest.mark.slow
def test_many_users_become_a_table(
    home: Home,  # noqa: F811
    release: Release,
    tmp_path: Path,
) -> None:
    users = tmp_path / "users.txt"
    users.write_text("u0000\nu0001\n\nnobody\nu0001\n")
    file = tmp_path / "new" / "shelves.parquet"
    out = str(home.folder)
    code, text, _ = called("recommend", "--out", out, "--users", str(users), "--to", str(file))
    assert code == 0
    assert "for 3 users" in text
    assert "Nothing is known of 1 of them" in text
    table = parquet.read(file)
    assert table.schema.equals(SCHEMA)
    for user in ("u0000", "u0001", "nobody"):
        rows = [row for row in table.to_pylist() if row["user_id"] == user]
        shelf = release.recommend(user)
        assert [(row["rank"], row["item_id"], row["title"]) for row in rows] == [
            (each.rank, each.item_id, each.title) for each in shelf
        ]
        assert [row["inner_product"] for row in rows] == pytest.approx(
            [each.inner_product for each in shelf]
        )
    assert set(table.column("release_id").to_pylist()) == {release.release_id}

    told = document("recommend", "--out", out, "--all", "--to", str(file))
    assert told["users"] == len(every_user(home.folder)) > 20
    assert (told["unknown"], told["rows"]) == (0, len(parquet.read(file)))


@pytest.mark.slow
def test_shelves_become_a_page(home: Home, release: Release, tmp_path: Path) -> None:  # noqa: F811
    page, out = tmp_path / "new" / "shelf.html", str(home.folder)
    two = ("--user", "u0001", "--user", "nobody")
    code, text, errors = called("recommend", "--out", out, *two, "-k", "4", "--html", str(page))
    assert code == 0, errors
    assert page.name in text
    content = page.read_text()
    for each in [*release.recommend("u0001", 4), *release.recommend("nobody", 4)]:
        assert f"<strong>{each.title}</strong>" in content
        assert each.why is None or each.why in content
    assert content.count("Nothing is known of this user") == 1
    assert release.release_id in content
    document("recommend", "--out", out, "--user", "u0001", "--html", str(page))
    assert "<h1>Shelf of u0001</h1>" in page.read_text()
    nothing = ("--filter-include", "language=fr", "--html", str(page))
    assert called("recommend", "--out", out, "--user", "u0001", *nothing)[0] == 0
    assert "No item" in page.read_text()
    both = ("--html", str(page), "--to", str(tmp_path / "shelves.parquet"))
    assert called("recommend", "--out", out, "--user", "u0001", *both)[0] == 2


@pytest.mark.slow
def test_an_empty_shelf_is_said(home: Home, tmp_path: Path) -> None:  # noqa: F811
    out, nothing = str(home.folder), ("--filter-include", "language=fr")
    code, text, _ = called("recommend", "--out", out, "--user", "u0001", *nothing)
    assert code == 0
    assert "No item" in text
    file = tmp_path / "none.parquet"
    code, text, _ = called(
        "recommend", "--out", out, "--user", "u0001", *nothing, "--to", str(file)
    )
    assert code == 0
    assert "1 shelves are empty" in text
    assert len(parquet.read(file)) == 0


@pytest.mark.slow
def test_one_damaged_user_takes_no_other_shelf(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colisten.errors import UserUnreadable

    ids, store = ["u0000", "u0001", "u0005"], release._store
    wanted = [shelf.items for shelf in release.shelves(ids, 3)]
    read = store.read

    def broken(user_ids: list[str]) -> Any:
        if "u0001" in user_ids:
            raise UserUnreadable("What is stored of u0001 is damaged.")
        return read(user_ids)

    monkeypatch.setattr(store, "read", broken)
    shelves = list(release.shelves(ids, 3))
    assert [shelf.known for shelf in shelves] == [True, False, True]
    assert [shelves[0].items, shelves[2].items] == [wanted[0], wanted[2]]
    assert len(shelves[1].items) == 3


def test_whose_shelves_are_asked_for_is_said_once(tmp_path: Path) -> None:
    for users in ((), ("--user", "u", "--all"), ("--users", "x", "--all")):
        code, _, errors = called("recommend", "--out", str(tmp_path), *users)
        assert code == 2
        assert "one of --user, --users and --all" in errors
    assert "is empty" in called("recommend", "--out", str(tmp_path), "--user", " ")[2]


def test_users_come_from_lines_csv_and_parquet(tmp_path: Path) -> None:
    import pyarrow as pa

    lines = tmp_path / "lines"
    lines.write_bytes("﻿u2\r\nu1\r\n\r\nu 3,x\r\n".encode())
    assert read_user_ids(lines) == ["u2", "u1", "u 3,x"]
    csv = tmp_path / "users.csv"
    csv.write_text('country,user_id\nSE,0012\nDE,"u,1"\nDE,0012\n')
    assert read_user_ids(csv) == ["0012", "u,1"]
    file = tmp_path / "users.parquet"
    parquet.write(pa.table({"user_id": ["b", None, "a", "b"]}), file)
    assert read_user_ids(file) == ["b", "a"]
    for bad in ("", "\n \n"):
        lines.write_text(bad)
        with pytest.raises(ConfigError, match="no user"):
            read_user_ids(lines)
    parquet.write(pa.table({"id": ["a"]}), file)
    with pytest.raises(ConfigError, match="Cannot read users"):
        read_user_ids(file)
    with pytest.raises(FeatureError, match="--users FILE"):
        every_user(tmp_path)


def test_a_filter_is_read_by_the_kinds_of_its_columns() -> None:
    kinds: Any = {"language": "keyword", "genres": "keywords", "minutes": "number", "at": "moment"}
    wanted = read_filter(
        kinds,
        "PT-br",
        ["genres=crime", "genres=noir", "minutes=5"],
        ["language=SV"],
        ["minutes=..600", "at=2024-01-01T00:00:00Z..2025-01-01T00:00:00Z"],
        ["a1", "a=2"],
    ).checked(kinds)
    assert wanted.include["genres"] == ("crime", "noir")
    assert wanted.include["minutes"] == (5.0,)
    assert wanted.include["language"] == ("pt",)
    assert wanted.exclude == {"language": ("sv",), "item_id": ("a1", "a=2")}
    assert wanted.ranges["minutes"] == (None, 600.0)
    assert wanted.ranges["at"][0] < wanted.ranges["at"][1]
    bad: list[tuple[dict[str, list[str]], type[ColistenError]]] = [
        ({"include": ["genres"]}, FilterRefused),
        ({"include": ["minutes=long"]}, FilterRefused),
        ({"ranges": ["minutes=5"]}, FilterRefused),
        ({"ranges": ["at=yesterday.."]}, ConfigError),
    ]
    for part, error in bad:
        with pytest.raises(error):
            read_filter(kinds, **part)  # type: ignore[arg-type]
