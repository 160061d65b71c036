"""A folder as `colisten run --out` leaves it, from the tiny tables by the real parts."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from colisten.data.catalogue import Catalogue
from colisten.evaluation.score_calibration import ScoreCalibration
from colisten.evaluation.score_rule import KindRule, ScoreRule
from colisten.feature_repo.repo import build_feature_repo
from colisten.features.repository import source_digest
from colisten.features.starts import first_starts
from colisten.features.store import open_store, training_rows
from colisten.graph.build import build_graph
from colisten.index import open_index
from colisten.index.lite_server import LiteServer
from colisten.models.items import ItemBlocks
from colisten.release.manifest import shaping_settings
from colisten.release.payload import assemble_payload
from colisten.release.store import ReleaseStore
from colisten.settings.tree import Settings, load_settings
from colisten.steps.online_features import fill_online, with_shared_rows
from colisten.text.vectors import embed_items
from colisten.training.hgnn import embed_catalogue, train_hgnn
from colisten.training.towers.loop import train_towers
from colisten.training.towers.settings import TowersTraining
from tests.conftest import DATA, POPULARITY
from tests.graph.sections import of_graph, of_hgnn

QUICK = (
    "hgnn.max_steps=6",
    "hgnn.evaluate_every=3",
    "hgnn.dim=16",
    "cross_fitting.folds=2",
    "towers.dim=16",
    "towers.hidden=[32]",
    "towers.epochs=2",
    "towers.min_steps=0",
    "threads=1",
    "index.backend=milvus",
)

_KIND = KindRule(intercept=-3.0, knot=-3.5, below=0.9, above=0.4, own=0.3, others=0.05)
CALIBRATION = ScoreCalibration(
    cut="2025-05-31T00:00:00+00:00",
    window_days=30,
    k=10,
    users=70,
    starts=90,
    rule=ScoreRule(cold=_KIND.model_copy(update={"intercept": -4.0}), warm=_KIND),
    reliability={},
)
"""A rule that nobody learned."""


def make_home(history: Path, out: Path, *, as_of: datetime, seeds: tuple[int, ...]) -> list[str]:
    """Publish one release per seed and promote the first; returns their ids.

    The first alone holds neighbours and says what its scores are worth.
    """
    catalogue = Catalogue.read(history)
    settings = load_settings(None, QUICK)
    text = embed_items(catalogue, settings.text, out / "cache" / "text")
    features = build_feature_repo(
        history,
        out / "work" / "features",
        as_of=as_of,
        data=settings.data,
        features=settings.features,
        text_vectors=text,
    )
    store = open_store(features)
    examples = first_starts(history, as_of=as_of, data=DATA)
    rows = training_rows(store, examples)
    ids = []
    with LiteServer(out):
        for seed in seeds:
            told: dict[str, Any] = {"features": source_digest(features)}
            if seed == seeds[0]:
                told |= {"neighbours": 8, "calibration": CALIBRATION}
            payload = _payload(
                history, out, catalogue, text, rows, as_of=as_of, seed=seed, told=told
            )
            with open_index(out, settings.index) as index:
                files = with_shared_rows(features, settings.features)
                ids.append(ReleaseStore(out).publish(payload, index, features=files))
        with open_index(out, settings.index) as index:
            fill = partial(fill_online, out, features=settings.features)
            ReleaseStore(out).promote(ids[0], index, fill=fill)
    return ids


def _payload(
    history: Path,
    out: Path,
    catalogue: Catalogue,
    text: np.ndarray,
    rows: pa.Table,
    *,
    as_of: datetime,
    seed: int,
    told: dict[str, Any],
) -> Path:
    settings: Settings = load_settings(None, (*QUICK, f"seed={seed}"))
    work = out / "work" / str(seed)
    graph = build_graph(history, as_of=as_of, **of_graph(settings))
    graph.save(work / "graph")
    hgnn = train_hgnn(graph, text, **of_hgnn(settings), out=work / "hgnn")
    z = embed_catalogue(hgnn.model, graph, text)
    folds = [
        embed_catalogue(
            hgnn.model,
            build_graph(
                history,
                as_of=as_of,
                **of_graph(settings),
                leave_out_fold=fold,
            ),
            text,
        )
        for fold in range(settings.cross_fitting.folds)
    ]
    blocks = ItemBlocks(text, z, np.stack(folds))
    train_towers(rows, catalogue, blocks, TowersTraining.of(settings), out=work / "towers")
    return assemble_payload(
        work / "payload",
        catalogue=catalogue,
        data=settings.data,
        history=history,
        towers=work / "towers",
        hgnn=work / "hgnn",
        graph=work / "graph",
        metrics={},
        shaping=shaping_settings(settings),
        threads=settings.threads,
        as_of=as_of,
        popularity=POPULARITY,
        **told,
    )
