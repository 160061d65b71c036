"""Building the co-listening graph against a pandas self-join and scipy's sparse product."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix

from benchmarks.events import write_events
from benchmarks.pairs import compare
from colisten.data import parquet
from colisten.graph.build import build_graph
from colisten.settings.sections import GraphSettings
from colisten.settings.tree import Settings

USERS, EVENTS = 200_000, 2_000_000
AS_OF = datetime(2030, 1, 1, tzinfo=UTC)
SETTINGS = Settings(graph=GraphSettings(min_colisteners=2, weights="colisteners"))


def run() -> None:
    """Time all three on the same events with the same filters; each ends with the same edges."""
    with tempfile.TemporaryDirectory() as work:
        folder = write_events(Path(work), users=USERS, events=EVENTS)
        graph = build_graph(
            folder, as_of=AS_OF, data=SETTINGS.data, graph=SETTINGS.graph, engine=SETTINGS.engine
        )
        for rival in (pandas_join, scipy_product):
            assert rival(folder) == graph.num_edges, "the rival builds the same graph"
        facts = {"users": USERS, "events": EVENTS, "edges": graph.num_edges}
        for name, rival in (
            ("graph_build_pandas", pandas_join),
            ("graph_build_scipy", scipy_product),
        ):
            compare(
                name,
                partial(
                    build_graph,
                    folder,
                    as_of=AS_OF,
                    data=SETTINGS.data,
                    graph=SETTINGS.graph,
                    engine=SETTINGS.engine,
                ),
                partial(rival, folder),
                rival_name=(rival.__doc__ or "").partition(". ")[0],
                facts=facts,
            )


def pandas_join(folder: Path) -> int:
    """pandas self-join with the same filters. Returns the edges kept."""
    touched, books = _touched(folder)
    touched = touched[["user", "item"]]
    pairs = touched.merge(touched, on="user", suffixes=("", "_other"))
    pairs = pairs[pairs["item"] != pairs["item_other"]]
    counted = pairs.groupby(["item", "item_other"], as_index=False).size()
    counted = counted[counted["size"] >= SETTINGS.graph.min_colisteners]
    source, target, size = (counted[name].to_numpy() for name in ("item", "item_other", "size"))
    return _strongest(source, target, size, books)


def scipy_product(folder: Path) -> int:
    """scipy's R.T @ R with the same filters. Returns the edges kept."""
    touched, books = _touched(folder)
    ones = np.ones(len(touched), np.int32)
    ratings = coo_matrix((ones, (touched["user"].to_numpy(), touched["item"].to_numpy()))).tocsr()
    counted = (ratings.T @ ratings).tocoo()
    mask = (counted.data >= SETTINGS.graph.min_colisteners) & (counted.row != counted.col)
    return _strongest(counted.row[mask], counted.col[mask], counted.data[mask], books)


def _touched(folder: Path) -> tuple[pd.DataFrame, int]:
    """Who touched what, capped, and how many audiobooks anyone touched."""
    columns = ["user_id", "item_id", "item_type", "signal", "timestamp"]
    events = parquet.read(folder / "interactions.parquet", columns=columns).to_pandas()
    events = events[
        (events["timestamp"] < pd.Timestamp(AS_OF))
        & events["signal"].isin(SETTINGS.graph.signals or SETTINGS.data.signal_names)
    ]
    events = events.assign(
        user=pd.factorize(events["user_id"])[0], item=pd.factorize(events["item_id"], sort=True)[0]
    )
    touched = events.groupby(["user", "item", "item_type"], as_index=False)["timestamp"].max()
    touched = touched.sort_values(
        ["user", "item_type", "timestamp", "item"], ascending=[True, True, False, True]
    )
    place = touched.groupby(["user", "item_type"]).cumcount()
    touched = touched[place < SETTINGS.graph.max_items_per_user]
    # Ids are numbered in their own order, audiobooks first, as in the catalogue.
    books = int(touched.loc[touched["item_type"] == "audiobook", "item"].max()) + 1
    return touched, books


def _strongest(source: np.ndarray, target: np.ndarray, count: np.ndarray, books: int) -> int:
    kind = target >= books
    order = np.lexsort((target, -count, kind, source))
    group = source[order].astype(np.int64) * 2 + kind[order]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    rank = np.arange(len(group)) - np.repeat(first, np.diff(first, append=len(group)))
    return int((rank < SETTINGS.graph.top_k).sum())
