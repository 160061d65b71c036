"""A Redis that lost its rows, or another one in its place, is filled from what is in the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from redis import Redis
from typer.testing import CliRunner

from colisten.cli.app import program
from colisten.feature_repo.repo import build_feature_repo
from colisten.features.repository import source_digest
from colisten.index import ExactIndex
from colisten.release.feature_files import features_of
from colisten.release.store import ReleaseStore
from colisten.serving.environment import Environment
from colisten.serving.requests import RecommendRequest
from colisten.serving.runtime import Runtime
from colisten.settings.sections import FeatureSettings
from colisten.settings.tree import load_settings
from colisten.steps.online_features import fill_online, with_shared_rows
from colisten.steps.use_cases.store import fetch_home, push_home
from colisten.store.address import StoreAddress
from tests.conftest import CUT, DATA
from tests.redis_server import redis_server
from tests.release.payloads import make_parts

USER = "u0001"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    with redis_server(tmp_path) as where:
        yield where


@pytest.fixture
def stored(tiny_history: Path, tmp_path: Path, redis: str, address: StoreAddress) -> StoreAddress:
    """A store with one live release, whose features are in Redis."""
    out, features = tmp_path / "out", FeatureSettings(online_store="redis", redis=redis)
    built = build_feature_repo(
        tiny_history, tmp_path / "built", as_of=CUT, data=DATA, features=features
    )
    store, index = ReleaseStore(out), ExactIndex(out / "index" / "exact")
    payload = make_parts(tmp_path / "made", tiny_history, CUT, seed=0).payload(
        tmp_path / "payload", features=source_digest(built)
    )
    release_id = store.publish(payload, index, features=with_shared_rows(built, features))
    store.promote(release_id, index, fill=partial(fill_online, out, features=features))
    push_home(out, address)
    return address


def fill(address: StoreAddress, *options: str) -> str:
    done = CliRunner().invoke(
        program(), ["release", "fill", "--store", str(address), "--json", *options]
    )
    assert done.exit_code == 0, done.output
    document = done.stdout[done.stdout.index("{") :]  # behind what is logged, here, in one process
    return str(json.loads(document)["filled"])


def vector_of(address: StoreAddress, folder: Path) -> str:
    """By what a service that fetches the store now would make a user's vector."""
    fetch_home(folder, address)
    settings = load_settings(None, ("index.backend=exact", "serving.features_budget_ms=5000"))
    runtime = Runtime.open(Environment(folder, settings))
    try:
        return str(runtime.recommend(RecommendRequest(user_id=USER, k=3)).how.vector)
    finally:
        runtime.close()


def rows_of(redis: str) -> int:
    host, _, port = redis.partition(":")
    with Redis(host, int(port)) as client:
        return int(client.dbsize())


@pytest.mark.slow
def test_a_redis_that_lost_its_rows_is_filled_again(
    stored: StoreAddress, redis: str, tmp_path: Path
) -> None:
    before = rows_of(redis)
    assert before > 0
    host, _, port = redis.partition(":")
    with Redis(host, int(port)) as client:
        client.flushall()
    assert vector_of(stored, tmp_path / "without") == "popular"
    assert fill(stored) == fetch_home(tmp_path / "mirror", stored)
    assert rows_of(redis) == before
    assert vector_of(stored, tmp_path / "with") == "two_tower"


@pytest.mark.slow
def test_another_redis_takes_its_place(stored: StoreAddress, redis: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with redis_server(tmp_path / "other") as other:
        file = tmp_path / "publishing.yaml"
        file.write_text(f"features: {{online_store: redis, redis: '{other}'}}\n")
        fill(stored, "--config", str(file))
        assert rows_of(other) == rows_of(redis)
        mirror = tmp_path / "mirror"
        fetch_home(mirror, stored)
        live = ReleaseStore(mirror).live_manifest()
        assert live is not None
        named = (features_of(mirror, live) / "feature_store.yaml").read_text()
        assert other in named
        assert redis not in named
        assert vector_of(stored, mirror) == "two_tower"
