"""Authors, series and publishers shape their titles, and links tell who made what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from colisten.simulator import simulate
from colisten.simulator.prose import SHADES

from .conftest import SMALL, World

AUTHORS = SMALL.model_copy(update={"author_taste": 0.6, "audiobooks": 400, "podcasts": 300})


@pytest.fixture(scope="module")
def authors(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("worlds") / "authors"
    return World(folder, AUTHORS, simulate(folder, AUTHORS))


def makers(world: World) -> pd.DataFrame:
    """Makers beside the items, in one order."""
    return world.truth.makers().to_pandas().merge(world.table("items"), on="item_id")


def alike(world: World, column: str) -> float:
    """Mean cosine of the hidden tastes of two audiobooks that share a maker or a series."""
    truth, table = world.truth, makers(world)
    books = table[(table["item_type"] == "audiobook") & table[column].notna()]
    hidden = truth.taste[:, SHADES:]
    cosines = [
        float((hidden[one] * hidden[two]).sum())
        for _, group in books.groupby(column)
        for n, one in enumerate(group.index)
        for two in group.index[n + 1 :]
    ]
    return float(np.mean(cosines))


def test_every_title_has_a_maker_of_one_type_and_language(small_world: World) -> None:
    table = makers(small_world)
    assert list(table["item_id"]) == list(small_world.truth.item_ids)
    assert table["maker"].notna().all()
    assert (table.groupby("maker")[["item_type", "language"]].nunique() == 1).all(axis=None)
    series = table[table["series"].notna()]
    assert set(series["item_type"]) == {"audiobook"}
    assert (series.groupby("series")["maker"].nunique() == 1).all()
    assert series["series"].value_counts().min() >= 2


def test_links_are_the_pairs_of_each_maker_and_series(authors: World) -> None:
    table, links = makers(authors).set_index("item_id"), authors.table("links")
    assert list(links.columns) == ["item_id", "other_id", "relation", "since"]
    one, two = table.loc[links["item_id"]], table.loc[links["other_id"]]
    later = np.maximum(one["published_at"].to_numpy(), two["published_at"].to_numpy())
    assert (links["since"].to_numpy() == later).all()
    for relation, item_type, column in (
        ("same_author", "audiobook", "maker"),
        ("same_publisher", "podcast", "maker"),
        ("same_series", "audiobook", "series"),
    ):
        rows = (links["relation"] == relation).to_numpy()
        assert (one["item_type"].to_numpy()[rows] == item_type).all()
        assert (one[column].to_numpy()[rows] == two[column].to_numpy()[rows]).all()
        sizes = table[table["item_type"] == item_type][column].value_counts()
        assert rows.sum() == (sizes * (sizes - 1) // 2).sum()
    assert not links.duplicated(["item_id", "other_id", "relation"]).any()
    assert (links["item_id"] < links["other_id"]).all()


def test_titles_of_one_author_are_liked_by_the_same_people(
    authors: World, small_world: World
) -> None:
    assert alike(authors, "series") > alike(authors, "maker") + 0.05
    assert alike(authors, "maker") > alike(small_world, "maker") + 0.4
    assert alike(small_world, "maker") == pytest.approx(0, abs=0.1)


def test_an_author_has_a_standing_and_the_world_keeps_its_head_and_tail(
    authors: World, tmp_path: Path
) -> None:
    plain = AUTHORS.model_copy(update={"author_taste": 0.0})
    other = World(tmp_path / "plain", plain, simulate(tmp_path / "plain", plain))

    def between(world: World) -> float:
        table = makers(world).assign(popularity=world.truth.popularity)
        books = table[(table["item_type"] == "audiobook") & (table["language"] == "en")]
        means = books.groupby("maker")["popularity"].transform("mean")
        return float(means.var() / books["popularity"].var())

    assert between(authors) > between(other) + 0.2
    assert np.sort(authors.truth.popularity) == pytest.approx(np.sort(other.truth.popularity))


def test_some_titles_nobody_streamed_have_a_known_author(authors: World) -> None:
    """What must be recommended by its links: no start before the cut, an author who has some."""
    table, events = makers(authors), authors.table("interactions")
    past = events[events["timestamp"].dt.date < authors.settings.cut]
    streamed = table["item_id"].isin(past[past["signal"] == "stream"]["item_id"])
    books = table[table["item_type"] == "audiobook"]
    known = books["maker"].isin(table[streamed]["maker"])
    assert (~streamed & known).sum() > 50


def test_a_world_whose_authors_do_not_matter_tells_of_no_links(small_world: World) -> None:
    assert not (small_world.folder / "links.parquet").exists()
