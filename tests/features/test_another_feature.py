"""docs/extending.md, another user feature: the settings that stand there, from table to tower."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.prepare import prepare_tables
from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.features.store import OnlineFeatures, open_store, user_rows
from colisten.features.transform import UserFeatureSpec, encode_users
from colisten.features.users import UserBatch, UserFields
from colisten.settings.tree import load_settings
from tests.conftest import CUT

GUIDE = Path(__file__).parents[2] / "docs/extending.md"


def test_a_line_of_settings_brings_a_column_into_the_user_tower(
    tiny_source: Path, tmp_path: Path
) -> None:
    guide = GUIDE.read_text().split("\n## Another user feature\n")[1].split("\n## ")[0]
    overrides = re.findall(r"--set (\S+)", guide)
    settings = load_settings(None, tuple(overrides))
    assert list(settings.data.user_features) == ["plan", "account_days"]

    source = Path(shutil.copytree(tiny_source, tmp_path / "source"))
    users = parquet.read(source / "users.parquet")
    users = users.append_column("plan", pa.array(["paid", "free", None, " paid"] * 20))
    users = users.append_column("account_days", pa.array([1, 400, None, 30] * 20))
    parquet.write(users, source / "users.parquet")
    prepare_tables(source, tmp_path / "out", cut=CUT, window_days=14, data=settings.data)
    history = tmp_path / "out" / "history"
    repo = build_feature_repo(
        history, tmp_path / "repo", as_of=CUT, data=settings.data, features=settings.features
    )
    materialize(repo, as_of=CUT)

    catalogue, fields = Catalogue.read(history), UserFields.of(settings.data, music_dim=4)
    people = ["u0000", "u0001", "u0002", "u0003", "stranger"]
    rows = user_rows(open_store(repo), people, CUT)
    batch = UserBatch.from_table(rows, catalogue.index_of, fields)
    spec = UserFeatureSpec.fit(
        batch, settings.data, settings.features, vector_dim=4, types=fields.types
    )
    vectors = np.random.default_rng(0).normal(size=(len(catalogue), 4)).astype(np.float32)
    encoded = encode_users(spec, batch, vectors)
    column = dict(zip(spec.names(), encoded.T, strict=True))
    assert column["plan_paid"].tolist() == [1, 0, 0, 1, 0]
    assert column["plan_other"].tolist() == [0, 0, 1, 0, 1]
    assert column["account_days_missing"].tolist() == [0, 0, 1, 0, 1]
    assert np.argsort(column["account_days"][[0, 3, 1]]).tolist() == [0, 1, 2]
    served = OnlineFeatures(repo, catalogue.index_of, spec.fields).read(people)
    assert np.array_equal(encode_users(spec, served, vectors), encoded)
