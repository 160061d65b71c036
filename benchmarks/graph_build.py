"""Building the co-listening graph: Ibis on DuckDB against a pandas self-join."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.pairs import compare
from cli.run import parse_cut
from colisten.config import Settings
from colisten.data.prepare import prepare_tables
from colisten.data.world import WorldSettings, simulate
from colisten.graph.build import build_graph

USERS = 10_000


def run() -> None:
    """Time both on one simulated world; the pandas join stops at counts, without CSR or top-k."""
    with tempfile.TemporaryDirectory() as work:
        world, tables = Path(work) / "world", Path(work) / "tables"
        report = simulate(world, WorldSettings(users=USERS))
        cut = parse_cut(str(report.cut))
        settings = Settings()
        prepare_tables(world, tables, cut=cut, window_days=report.window_days, settings=settings)
        history = tables / "history"

        def pandas_self_join() -> int:
            events = pd.read_parquet(
                history / "interactions.parquet", columns=["user_id", "item_id", "item_type"]
            )
            codes = events.assign(
                user=events["user_id"].astype("category").cat.codes,
                item=events["item_id"].astype("category").cat.codes,
            )[["user", "item"]].drop_duplicates()
            pairs = codes.merge(codes, on="user")
            pairs = pairs[pairs["item_x"] != pairs["item_y"]]
            return len(pairs.groupby(["item_x", "item_y"]).size())

        graph = build_graph(history, as_of=cut, settings=settings)
        compare(
            "graph_build",
            lambda: build_graph(history, as_of=cut, settings=settings),
            pandas_self_join,
            rival_name="pandas self-join (counts only)",
            facts={
                "users": USERS,
                "events": int(pd.read_parquet(history / "interactions.parquet").shape[0]),
                "edges_kept": graph.num_edges,
                "pairs_counted_by_pandas": pandas_self_join(),
            },
        )
