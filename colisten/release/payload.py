"""Gather what a release is made of, in a folder that has no name yet."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.moments import utc
from colisten.errors import ReleaseError
from colisten.evaluation.score_calibration import CALIBRATION, ScoreCalibration
from colisten.features.transform import encode_users
from colisten.features.users import UserBatch
from colisten.files import write_aside
from colisten.index.exact import ExactCollection
from colisten.index.filter import NO_COLUMNS, FilterColumns, filter_columns
from colisten.json_files import read_model, write_json
from colisten.models.choices import read_choices
from colisten.models.onnx_tower import OnnxUserTower
from colisten.ranking.events import EventLog
from colisten.ranking.popularity import PopularityRule
from colisten.release.golden_set import TOP, USERS, GoldenSet
from colisten.release.manifest import Bound, Manifest, file_entries
from colisten.release.neighbours import ItemNeighbours
from colisten.release.popular import popular_lists
from colisten.release.seen import seen_by_users
from colisten.release.synthetic_users import synthetic_users
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine

PAYLOAD = "payload.json"
TOWER_FILES = (
    "user_tower.onnx",
    "item_tower.onnx",
    "towers.safetensors",
    "spec.json",
    "item_vectors.npy",
    "history_vectors.npy",
)
HGNN_FILES = ("hgnn.safetensors", "hgnn.json")
GRAPH_FILE = "graph.json"
_ITEM_COLUMNS = ("item_id", "item_type", "title", "language", "published_at")


def assemble_payload(
    out: Path,
    *,
    catalogue: Catalogue,
    data: DataSettings,
    history: Path,
    towers: Path,
    hgnn: Path | None,
    graph: Path | None,
    metrics: dict[str, Any],
    shaping: Mapping[str, Any],
    threads: int,
    as_of: datetime,
    popularity: PopularityRule,
    seen_items: bool = True,
    neighbours: int = 0,
    calibration: ScoreCalibration | None = None,
    feature_service: str = "serving_v1",
    features: str | None = None,
) -> Path:
    """Write a payload folder that `ReleaseStore.publish` takes; it appears whole or not at all.

    Equal inputs give equal bytes. Nothing at or after `as_of` may be among the inputs; popular
    lists are read strictly before it.

    Args:
        out: The folder; replaced if it exists.
        catalogue: Items, in the order of all vectors.
        data: Item types, signals, and columns that answers can be filtered by.
        history: Checked tables.
        towers: Towers folder (see docs/architecture.md).
        hgnn: Folder of hgnn.safetensors and hgnn.json; None for a release without a graph.
        graph: Folder of the graph, whose graph.json carries its digest; None likewise.
        metrics: Figures from the window before the cut.
        shaping: Settings that shaped it, see `manifest.shaping_settings`.
        threads: Of DuckDB, and of the tower that answers for the golden set.
        as_of: The cut.
        popularity: What popular lists count, and how many listeners they need.
        seen_items: Whether it holds what each user had started, by hash of their id.
        neighbours: Of how many neighbours of each type it holds a recommended item's strongest
            edges; 0 leaves them out.
        calibration: What its scores are worth as probabilities; None where nobody knows.
        feature_service: Feast service that users' features come from.
        features: Digest of the feature store that it was trained on; None where nobody says.

    Returns:
        `out`.

    Raises:
        ReleaseError: A part is missing or does not fit the others.
        VectorIndexError: A column to filter by is missing or of another kind.
        ConfigError: The catalogue has no item of that type.
        TrainingError: What the towers' training chose cannot be read.
        GraphError: The graph cannot be read.
    """
    target_type, filterable = data.target_type, data.filter_columns
    target = catalogue.slice_of(target_type)
    with write_aside(out) as folder:
        folder.mkdir()
        _copy(towers, TOWER_FILES, folder)
        if hgnn is not None:
            _copy(hgnn, HGNN_FILES, folder)
        if graph is not None:
            _copy(graph, (GRAPH_FILE,), folder)
            if neighbours:
                # Here, since serving reads payloads and builds no graph.
                from colisten.graph.graph import CoListeningGraph

                whole = CoListeningGraph.load(graph)
                ItemNeighbours.of(whole, target_type, neighbours).write(folder)
        wanted = dict.fromkeys((*_ITEM_COLUMNS, *filterable))
        columns = [name for name in wanted if name in catalogue.table.column_names]
        items = catalogue.table.select(columns).combine_chunks().replace_schema_metadata(None)
        for name, column in filter_columns(items, filterable).items():
            items = items.set_column(items.column_names.index(name), name, column)
        parquet.write(items, folder / "items.parquet")
        log = EventLog([history], catalogue, data, Engine(threads=threads))
        popular = popular_lists(log, as_of, popularity)
        popular.write(folder / "popular.parquet")
        if seen_items:
            seen_by_users(log, as_of).write(folder)
        if calibration is not None:
            write_json(folder / CALIBRATION, calibration, indent=1, finite=True)
        tower = OnnxUserTower(folder, threads=threads)
        _check(tower, catalogue, target, towers)
        rows = synthetic_users(tower.spec, log, as_of, popularity, USERS)
        golden = _golden_set(tower, catalogue, target, rows)
        golden.write(folder)
        choices = read_choices(towers)
        bound = Bound(
            as_of=utc(as_of).isoformat(),
            target_type=target_type,
            context_types=tuple(name for name in data.item_types if name != target_type),
            signals=tower.spec.signals,
            start_signals=data.start_signals,
            filterable=filterable,
            feature_service=feature_service,
            counts={
                **_learned_from(log, as_of),
                "items": len(catalogue),
                "target_items": target.stop - target.start,
                "popular_countries": len(popular.countries),
                "golden_users": len(golden.vectors),
            },
            dims={
                "user_features": tower.spec.width,
                "vectors": tower.dim,
                "history_vectors": tower.spec.vector_dim,
            },
            settings=dict(shaping),
            metrics=metrics,
            choices=choices,
            features=features,
        )
        # Left unset where there are none: releases of a training without them keep their ids.
        absent = {name for name in ("choices", "features") if not getattr(bound, name)}
        content = bound.model_dump(mode="json", exclude=absent)
        write_json(folder / PAYLOAD, content, indent=1)
    return out


def bind_payload(payload: Path) -> Manifest:
    """The manifest of what a payload becomes.

    Raises:
        ReleaseError: The folder is no payload.
    """
    try:
        bound = read_model(payload / PAYLOAD, Bound)
    except (OSError, ValidationError) as error:
        raise ReleaseError(
            f"{payload} is no payload: {error}.", "Write it with `assemble_payload`."
        ) from error
    files = file_entries(payload)
    del files[PAYLOAD]  # its content is in the manifest
    return Manifest.bind(bound, files)


def copy_payload(payload: Path, folder: Path, manifest: Manifest) -> None:
    """Write a release's folder, every file on disk before this returns."""
    for name in manifest.files:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(payload / name, file)
        _to_disk(file)
    manifest.write(folder)


def _to_disk(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _learned_from(log: EventLog, as_of: datetime) -> dict[str, int]:
    """Events before the cut, users who have any, and first or repeated starts of target items."""
    with log.tables(as_of) as tables:
        found = tables.execute(
            "SELECT count(*), count(DISTINCT user_id), count(*) FILTER (is_start) FROM past"
        ).fetchone()
    assert found is not None
    return dict(zip(("events", "users", "starts"), map(int, found), strict=True))


def _golden_set(
    tower: OnnxUserTower, catalogue: Catalogue, target: slice, rows: pa.Table
) -> GoldenSet:
    spec = tower.spec
    batch = UserBatch.from_table(rows, catalogue.index_of, spec.fields)
    features = encode_users(spec, batch, tower.history_vectors)
    vectors = tower.from_features(features)
    ids = catalogue.item_ids[target]
    items = ExactCollection(ids, tower.item_vectors, FilterColumns(NO_COLUMNS), np.arange(len(ids)))
    positions, scores = items.search(vectors, TOP)
    return GoldenSet(
        rows,
        features,
        vectors,
        [ids[at].tolist() for at in positions],
        [[float(score) for score in row] for row in scores],
    )


def _check(tower: OnnxUserTower, catalogue: Catalogue, target: slice, towers: Path) -> None:
    wanted = {
        "item_vectors": (tower.item_vectors, target.stop - target.start),
        "history_vectors": (tower.history_vectors, len(catalogue)),
    }
    for name, (array, rows) in wanted.items():
        if array.ndim != 2 or len(array) != rows or array.dtype != np.float32:
            raise ReleaseError(
                f"{towers / name}.npy is {array.dtype} {array.shape}, not float32 [{rows}, d].",
                "Train the towers on this catalogue.",
            )


def _copy(source: Path, names: tuple[str, ...], folder: Path) -> None:
    for name in names:
        try:
            shutil.copyfile(source / name, folder / name)
        except OSError as error:
            raise ReleaseError(f"Cannot read {source / name}: {error}.") from error
