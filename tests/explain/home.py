"""The folder of a run with a planted model: real tables, Feast, ONNX towers and release, without
the training. The towers read what they are told to read and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from colisten.data.catalogue import Catalogue
from colisten.data.prepare import prepare_tables
from colisten.explain.importance import item_groups, user_groups
from colisten.explain.inputs import CheckedTables, ExplanationInputs
from colisten.feature_repo.repo import build_feature_repo
from colisten.features.popularity import DailyPopularity, day_of
from colisten.features.repository import source_digest
from colisten.features.starts import first_starts
from colisten.features.store import open_store, user_rows
from colisten.features.transform import UserFeatureSpec, encode_users
from colisten.features.users import UserBatch, UserFields
from colisten.index import ExactIndex
from colisten.models.export import export_towers
from colisten.models.items import ItemFeatureSpec, encode_items
from colisten.models.knn_term import KnnTermLayout
from colisten.models.member import Member, UserMember
from colisten.models.towers import TwoTowers, tower_vectors
from colisten.ranking.popularity import PopularityRule
from colisten.release.manifest import shaping_settings
from colisten.release.payload import assemble_payload
from colisten.release.store import ReleaseStore
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.towers import TowerSettings
from colisten.settings.tree import Settings
from colisten.steps.online_features import fill_online, with_shared_rows
from colisten.steps.use_cases.explain import live_release
from tests.conftest import CUT, DATA
from tests.feature_folders import live_features

TYPES = ("audiobook", "podcast")
BLOCKS = {"text": 6, "z": 4}
HALF_LIVES = (7.0, 30.0)
WINDOW_DAYS = 30


@dataclass(frozen=True)
class Plant:
    """What the model reads: one group a tower, whose first columns are the taste, and how much
    every user follows popularity."""

    user: str = "text of podcast history"
    item: str = "text"
    popularity: float = 0.0


def write_home(out: Path, source: Path, plant: Plant) -> Path:
    """Leave at `out` what `colisten run` would: tables, features and a live release."""
    settings = Settings()
    tables = out / "steps" / "check_tables-1"
    prepare_tables(source, tables, cut=CUT, window_days=WINDOW_DAYS, data=settings.data)
    history = tables / "history"
    catalogue = Catalogue.read(history)
    vectors = item_blocks(catalogue)
    build_feature_repo(
        history,
        out / "built",
        as_of=CUT,
        data=settings.data,
        features=settings.features,
        text_vectors=vectors[:, :6],
    )
    rows = _rows(history, out / "built")
    music_dim = 4
    batch = UserBatch.from_table(rows, catalogue.index_of, UserFields.of(DataSettings(), music_dim))
    user_spec = UserFeatureSpec.fit(
        batch, settings.data, settings.features, vector_dim=vectors.shape[1], types=TYPES
    )
    item_spec = ItemFeatureSpec.fit(
        catalogue,
        "audiobook",
        BLOCKS,
        max_languages=4,
        max_genres=4,
        popularity_half_lives=HALF_LIVES,
    )
    target = catalogue.slice_of("audiobook")
    popularity = _popularity(history, catalogue, target)
    towers = planted_towers(user_spec, item_spec, plant)
    item_features = encode_items(item_spec, catalogue, target, vectors, popularity)
    towers.fit_to_catalogue(item_features)
    export_towers(
        out / "towers",
        towers=towers,
        user_spec=user_spec,
        item_spec=item_spec,
        item_vectors=tower_vectors(towers.item, item_features),
        history_vectors=vectors,
        curve=[],
        user_features=encode_users(user_spec, batch, vectors),
        item_features=item_features,
    )
    payload = assemble_payload(
        out / "payload",
        catalogue=catalogue,
        data=settings.data,
        history=history,
        towers=out / "towers",
        hgnn=None,
        graph=None,
        metrics={},
        shaping=shaping_settings(settings),
        threads=settings.threads,
        as_of=CUT,
        popularity=PopularityRule.of(settings.evaluation),
        features=source_digest(out / "built"),
    )
    store, index = ReleaseStore(out), ExactIndex(out / "index" / "exact")
    files = with_shared_rows(out / "built", settings.features)
    fill = partial(fill_online, out, features=settings.features)
    store.promote(store.publish(payload, index, features=files), index, fill=fill)
    return out


def inputs_of(out: Path, *, most_users: int = 2000, seed: int = 0) -> ExplanationInputs:
    """What an explanation reads of such a folder."""
    return ExplanationInputs.read(
        live_release(out, threads=1),
        CheckedTables.read(out / "steps/check_tables-1"),
        live_features(out),
        most_users=most_users,
        seed=seed,
        engine=Engine(),
    )


def item_blocks(catalogue: Catalogue) -> np.ndarray:
    """Text and z side by side [num_items, 10]; the planted taste is in the first column of each."""
    rng = np.random.default_rng(0)
    taste = np.array([int(item[1:]) % 2 for item in catalogue.item_ids]) * 2.0 - 1.0
    parts = []
    for dim in BLOCKS.values():
        part = rng.normal(scale=0.4, size=(len(catalogue), dim))
        part[:, 0] += taste
        parts.append(part / np.linalg.norm(part, axis=1, keepdims=True))
    return np.concatenate(parts, axis=1).astype(np.float32)


def planted_towers(
    user_spec: UserFeatureSpec,
    item_spec: ItemFeatureSpec,
    plant: Plant,
    knn_term: KnnTermLayout | None = None,
) -> TwoTowers:
    """Towers whose taste is the leading columns of one group each."""
    settings = TowerSettings(dim=4, hidden=(8,), popularity_half_lives=HALF_LIVES, temperature=0.5)
    towers = TwoTowers(user_spec.width, item_spec.dense_width, settings, knn_term)
    columns = item_groups(item_spec)[plant.item]
    if plant.item in BLOCKS:
        columns = columns[1:]  # the first one says whether the vector is missing
    with torch.no_grad():
        for tower, read in (
            (towers.user, user_groups(user_spec, BLOCKS)[plant.user]),
            (towers.item, columns),
        ):
            for member in tower.members:
                assert isinstance(member, Member)
                assert member.skip is not None
                member.skip.weight.zero_()
                member.skip.bias.fill_(0.01)  # whoever has none of it still points somewhere
                for row, column in enumerate(read[:4].tolist()):
                    member.skip.weight[row, column] = 1.0
        for member in towers.user.members:
            assert isinstance(member, UserMember)
            torch.nn.init.constant_(member.prior_skip.bias, plant.popularity)
    return towers


def _rows(history: Path, features: Path) -> pa.Table:
    users = pq.read_table(history / "users.parquet").column("user_id").to_pylist()
    return user_rows(open_store(features), users, CUT)


def _popularity(history: Path, catalogue: Catalogue, target: slice) -> np.ndarray:
    streams = first_starts(history, as_of=CUT, data=DATA)
    times = streams.column("timestamp").cast(pa.int64()).to_numpy()
    items = catalogue.index_of(streams.column("item_id").to_pylist()) - target.start
    daily = DailyPopularity(items, times, target.stop - target.start, HALF_LIVES)
    served: np.ndarray = daily.at(day_of(times[-1:]) + 1)[0]
    return served
