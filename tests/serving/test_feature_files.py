"""Files of the feature store that are swapped under a service are neither run nor served from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from feast.protos.feast.core.Registry_pb2 import Registry

from colisten.errors import FeatureError
from colisten.features.names import REGISTRY_FILE
from colisten.features.repository import Digests, RepositoryFiles
from colisten.release.feature_files import bound_features
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.serving.feature_client import FeatureClient
from tests.conftest import ServedHome
from tests.feature_folders import live_features, online_db

PROBE = "COLISTEN_TEST_PROBE"


@pytest.fixture
def release(home: ServedHome) -> LoadedRelease:
    return ReleaseStore(home.folder).load_live()


@pytest.fixture
def features(home: ServedHome, tmp_path: Path) -> Path:
    folder = tmp_path / "generation"
    shutil.copytree(live_features(home.folder), folder)
    shutil.copy(online_db(live_features(home.folder)), tmp_path)
    return folder


@pytest.fixture
def bound(home: ServedHome) -> Callable[[], Digests | None]:
    manifest = ReleaseStore(home.folder).live_manifest()
    assert manifest is not None
    return partial(bound_features, home.folder, manifest)


def planted(content: bytes) -> bytes:
    """A registry with a view whose function Feast runs as it lists views."""
    registry = Registry()
    registry.ParseFromString(content)
    view = registry.on_demand_feature_views.add()
    project = registry.feature_views[0].spec.project
    view.spec.name, view.spec.project, view.spec.mode = "probe", project, "python"
    udf = view.spec.feature_transformation.user_defined_function
    udf.body_text, udf.mode = f"import os\nos.environ['{PROBE}'] = 'ran'\n", "python"
    return registry.SerializeToString()


def replace(file: Path, content: bytes) -> None:
    aside = file.with_name("aside")
    aside.write_bytes(content)
    aside.replace(file)


def test_a_swapped_registry_is_said_and_what_was_open_answers(
    release: LoadedRelease, features: Path, bound: Callable[[], Digests | None]
) -> None:
    client = FeatureClient(features, release, bound=bound)
    client.look()
    assert client.refused is None
    whole = (features / REGISTRY_FILE).read_bytes()
    replace(features / REGISTRY_FILE, planted(whole))
    for _ in range(2):
        client.look()
        assert client.refused is not None
        assert "is not the one that was published" in client.refused
        assert client.holds_users()
    replace(features / REGISTRY_FILE, whole)
    client.look()
    assert client.refused is None
    assert client.holds_users()
    assert PROBE not in os.environ


def test_where_nobody_noted_digests_code_is_refused_all_the_same(
    release: LoadedRelease, features: Path
) -> None:
    replace(features / REGISTRY_FILE, planted((features / REGISTRY_FILE).read_bytes()))
    client = FeatureClient(features, release)
    client.look()
    assert client.refused is not None
    assert "OnDemandFeatureView 'probe'" in client.refused
    with pytest.raises(FeatureError, match="probe"):
        client.probe()
    assert PROBE not in os.environ


def test_the_journal_says_which_files_belong_to_the_release(
    home: ServedHome, bound: Callable[[], Digests | None]
) -> None:
    noted = bound()
    assert noted is not None
    files = RepositoryFiles.read(live_features(home.folder)).digests
    assert all(digest in noted[name] for name, digest in files.items())
    assert noted["sources"]
