"""RecTools' SASRec beside ours and beside popularity, on the public set.

`COLISTEN_RECTOOLS_PYTHON` names an interpreter with RecTools (`rectools_rival.py` says how to make
one), `COLISTEN_REAL_DATA` the data (`public.py`). Theirs is tuned as every baseline is: on the
window before the cut, by `colisten.baselines.tuning`, and measured on the same users, candidates
and exclusions. Its items of all types are one sequence, as ours are; it may recommend those of the
recommended type.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import rectools_rival
from benchmarks.pairs import machine, write_result
from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.popularity import POPULARITY, decayed_shares
from colisten.baselines.sasrec import LENGTH, SASREC
from colisten.baselines.tuning import tuned_baselines
from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.moments import parse_moment
from colisten.evaluation.split import evaluation_set
from colisten.evaluation.table import SLICES, evaluate
from colisten.json_files import write_json
from colisten.ranking.events import EventLog
from colisten.ranking.popularity import PopularityRule, popularity_scores
from colisten.ranking.top_k import Scorer
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.sections import EvaluationSettings

NAME = "sequential"
VARIABLE = "COLISTEN_RECTOOLS_PYTHON"
CUT, DAYS = "2013-11-15", 90
RULE = PopularityRule(DAYS, title_listeners=1, list_listeners=1)
# Longer than any list that is measured and what a user has had, but for very few.
LISTED = 300
GRID: dict[str, tuple[Any, ...]] = {"n_blocks": (1, 2), "epochs": (5, 10)}
MODEL = {
    "n_factors": 64,
    "n_heads": 1,
    "session_max_len": LENGTH,
    "loss": "sampled_softmax",
    "n_negatives": 256,
}


def run() -> None:
    """Tune, fit and measure the three; write HR@10 and MRR with intervals, and seconds."""
    root = os.environ.get("COLISTEN_REAL_DATA")
    if root is None:
        print(f"{NAME}: COLISTEN_REAL_DATA is unset, so there is nothing to measure on")
        return
    if not interpreter():
        print(f"{NAME}: {VARIABLE} names no interpreter with RecTools, which needs its own:")
        print((rectools_rival.__doc__ or "").strip().splitlines()[-1].strip())
        return
    write_result(NAME, {**machine(), **measured(Path(root) / "amazon_food_kitchen")})


def interpreter() -> str:
    """The interpreter that the variable names; empty where it is none."""
    named = os.environ.get(VARIABLE, "")
    return named if os.access(named, os.X_OK) else ""


def measured(folder: Path) -> dict[str, Any]:
    """Each model's values on all, warm and cold users, its parameters and its seconds."""
    items = parquet.read(folder / "items.parquet")
    order = [("item_type", "ascending"), ("item_id", "ascending")]
    catalogue = Catalogue(items.sort_by(order))
    events = EventLog([folder], catalogue, DataSettings(), Engine(threads=os.cpu_count() or 1))
    cut = parse_moment(CUT, "The cut")
    window = evaluation_set(events, cut=cut, window_days=DAYS)
    theirs = Baseline("SASRec (RecTools)", fit_rectools, GRID)
    tuned = tuned_baselines(
        events,
        as_of=cut,
        window_days=DAYS,
        user_ids=window.user_ids,
        fallback=popularity_scores(events, cut, RULE),
        evaluation=EvaluationSettings(),
        seed=0,
        baselines=(POPULARITY, SASREC, theirs),
    )
    table = evaluate(tuned, window, EvaluationSettings(), 0, subject=SASREC.name)
    rows = {
        one.name: {
            "parameters": dict(one.parameters),
            "seconds": round(one.seconds),
            **{
                f"{part} {metric}": table.row(one.name, part).metrics[metric]
                for part in SLICES
                for metric in ("HR@10", "MRR")
            },
        }
        for one in tuned
    }
    return {"cut": CUT, "days": DAYS, "users": table.users, "rows": rows}


def fit_rectools(
    train: InteractionMatrix, parameters: Parameters, threads: int, seed: int
) -> Scorer:
    """Their lists as scores: higher places score more, what is not listed ranks by popularity."""
    pairs = train.matrix.tocoo()
    table = pa.table(
        {
            "user_id": pairs.row.astype(np.int64),
            "item_id": pairs.col.astype(np.int64),
            "weight": np.ones(pairs.nnz, np.float32),
            "datetime": pa.array(train.times, pa.timestamp("us")),
        }
    )
    options = {
        "model": {**MODEL, **parameters},
        "first": train.target.start,
        "last": train.target.stop,
        "k": min(LISTED, train.num_target),
        "seed": seed,
        "threads": threads,
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        parquet.write(table, folder / "interactions.parquet")
        write_json(folder / "options.json", options)
        command = [interpreter(), "-I", rectools_rival.__file__, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode:
            raise RuntimeError(f"RecTools failed: {done.stderr[-2000:]}")
        lists = parquet.read(folder / "lists.parquet")
    return listed_scores(train, lists)


def listed_scores(train: InteractionMatrix, lists: pa.Table) -> Scorer:
    """Scores of rows from lists (user_id, item_id, rank from 1)."""
    users, items, ranks = (
        lists.column(name).to_numpy().astype(np.int64) for name in ("user_id", "item_id", "rank")
    )
    order = np.argsort(users, kind="stable")
    users, items, ranks = users[order], items[order] - train.target.start, ranks[order]
    ends = np.searchsorted(users, np.arange(train.matrix.shape[0] + 1))
    popular = decayed_shares(train, DAYS)

    def scorer(rows: np.ndarray) -> np.ndarray:
        scores = np.tile(popular, (len(rows), 1))
        for at, row in enumerate(rows):
            own = slice(ends[row], ends[row + 1])
            # Shares are at most one, so every place of a list is above them.
            scores[at, items[own]] = 2.0 + LISTED - ranks[own]
        return scores

    return scorer


if __name__ == "__main__":
    run()
