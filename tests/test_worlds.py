"""Renaming and thinning tables changes the words asked for and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.worlds import read_tables, renamed, single_type, write_tables


def test_other_words_leave_the_rest_as_it_is(tiny_source: Path, tmp_path: Path) -> None:
    tables = read_tables(tiny_source)
    types, signals = {"audiobook": "film / 'new'"}, {"stream": "purchase", "follow": "wishlist"}
    other = renamed(tables, types=types, signals=signals)
    assert set(other["items"]["item_type"].to_pylist()) == {"film / 'new'", "podcast"}
    assert set(other["interactions"]["signal"].to_pylist()) >= {"purchase", "wishlist", "preview"}
    assert other["interactions"]["item_id"] == tables["interactions"]["item_id"]
    back = renamed(
        other,
        types={new: old for old, new in types.items()},
        signals={new: old for old, new in signals.items()},
    )
    assert back == tables
    assert read_tables(write_tables(tmp_path / "other", other)) == other


def test_a_single_type_has_no_other_items_and_no_events_on_them(tiny_source: Path) -> None:
    tables = single_type(read_tables(tiny_source), "podcast")
    assert set(tables["items"]["item_type"].to_pylist()) == {"podcast"}
    assert set(tables["interactions"]["item_type"].to_pylist()) == {"podcast"}
    assert tables["users"].num_rows == 80
