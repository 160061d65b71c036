"""A feature repository is data: what Feast would run or import from one is refused before."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import dill  # type: ignore[import-untyped]
import numpy as np
import pytest
import yaml
from feast.protos.feast.core.FeatureView_pb2 import FeatureView
from feast.protos.feast.core.Registry_pb2 import Registry
from hypothesis import given
from hypothesis import strategies as st

from colisten.errors import FeaturesRefused
from colisten.features.names import CONFIG_FILE, REGISTRY_FILE, key_space
from colisten.features.registry import check_registry
from colisten.features.repository import RepositoryFiles, definitions_digest, source_digest
from colisten.features.store import OnlineFeatures, open_store, training_rows
from tests.conftest import FIELDS

PROBE = "COLISTEN_TEST_PROBE"


class Executed:
    """Tells on itself when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return exec, (f"import os; os.environ['{PROBE}'] = 'dill'",)


def source() -> str:
    return f"import os\nos.environ['{PROBE}'] = 'source'\ndef probe(inputs):\n    return inputs\n"


def of_on_demand(registry: Registry) -> None:
    view = registry.on_demand_feature_views.add()
    project = registry.feature_views[0].spec.project
    view.spec.name, view.spec.project, view.spec.mode = "probe", project, "python"
    udf = view.spec.feature_transformation.user_defined_function
    udf.name, udf.mode = "probe", "python"
    udf.body, udf.body_text = dill.dumps(Executed()), source()


def of_stream(registry: Registry) -> None:
    view = registry.stream_feature_views.add()
    view.spec.name, view.spec.project = "probe", "colisten"
    view.spec.user_defined_function.body = dill.dumps(Executed())


def of_batch(registry: Registry) -> None:
    udf = registry.feature_views[0].spec.feature_transformation.user_defined_function
    udf.name, udf.body, udf.body_text = "probe", dill.dumps(Executed()), source()


def of_nested_view(registry: Registry) -> None:
    inner = registry.feature_views[0].spec.source_views.add()
    inner.name = "probe"
    inner.feature_transformation.user_defined_function.body_text = source()


def of_version(registry: Registry) -> None:
    view = FeatureView()
    view.spec.name = "probe"
    view.spec.feature_transformation.user_defined_function.body = dill.dumps(Executed())
    record = registry.feature_view_version_history.records.add()
    record.feature_view_name, record.feature_view_type = "probe", "feature_view"
    record.feature_view_proto = view.SerializeToString()


def of_profile(registry: Registry) -> None:
    reference = registry.validation_references.add()
    reference.name = "probe"
    reference.ge_profiler.profiler.body = dill.dumps(Executed())


def of_source_class(registry: Registry) -> None:
    made = registry.data_sources.add()
    made.name = "probe"
    made.type = made.SourceType.CUSTOM_SOURCE
    made.data_source_class_type = "colisten_probe.Source"


PLANTED = (
    of_on_demand,
    of_stream,
    of_batch,
    of_nested_view,
    of_version,
    of_profile,
    of_source_class,
)


@pytest.fixture
def copy(feature_folder: Path, tmp_path: Path) -> Path:
    """A repository to spoil."""
    folder = tmp_path / "copy"
    shutil.copytree(feature_folder, folder)
    return folder


@pytest.fixture(autouse=True)
def nothing_ran() -> Any:
    """Whatever a test plants, it does not run."""
    os.environ.pop(PROBE, None)
    yield
    assert os.environ.pop(PROBE, None) is None


def online(folder: Path) -> OnlineFeatures:
    return OnlineFeatures(folder, lambda ids: np.zeros(len(ids), np.int64), FIELDS)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda one: one.__name__)
def test_what_feast_would_run_is_refused_by_name_and_does_not_run(copy: Path, plant: Any) -> None:
    registry = Registry()
    registry.ParseFromString((copy / REGISTRY_FILE).read_bytes())
    plant(registry)
    (copy / REGISTRY_FILE).write_bytes(registry.SerializeToString())
    for opened in (open_store, online):
        with pytest.raises(FeaturesRefused, match=r"registry\.db holds .*'(probe|\w+)'"):
            opened(copy)


def test_the_probe_does_run_in_feast(copy: Path) -> None:
    from feast import FeatureStore

    registry = Registry()
    registry.ParseFromString((copy / REGISTRY_FILE).read_bytes())
    of_on_demand(registry)
    (copy / REGISTRY_FILE).write_bytes(registry.SerializeToString())
    with suppress(ValueError):  # it has no sources; but by then it has run
        FeatureStore(repo_path=str(copy)).list_on_demand_feature_views()
    assert os.environ.pop(PROBE) == "source"


def test_a_registry_that_is_swapped_under_an_open_store_is_not_read(copy: Path) -> None:
    store, served = open_store(copy), online(copy)
    names = {view.name for view in store.list_feature_views(allow_cache=True)}
    registry = Registry()
    registry.ParseFromString((copy / REGISTRY_FILE).read_bytes())
    for plant in PLANTED:
        plant(registry)
    (copy / REGISTRY_FILE).write_bytes(registry.SerializeToString())
    later = (copy / REGISTRY_FILE).stat().st_mtime + 10
    os.utime(copy / REGISTRY_FILE, (later, later))
    assert {view.name for view in store.list_all_feature_views(allow_cache=True)} == names
    store.refresh_registry()
    assert {view.name for view in store.list_all_feature_views()} == names
    assert served.read(["u0001"]).known.all()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("offline_store", {"type": "colisten_probe.OfflineStore"}),
        ("online_store", {"type": "colisten_probe.OnlineStore", "path": "online.db"}),
        ("online_store", {"type": "sqlite", "path": "online.db", "vector_enabled": True}),
        ("online_store", {"type": "sqlite", "path": "../online_0123abcd.db/../../elsewhere"}),
        ("online_store", {"type": "sqlite", "path": "/tmp/online_0123abcd.db"}),
        ("project", "colisten_0123abcd:elsewhere"),
        ("provider", "colisten_probe.Provider"),
        ("registry", {"path": "elsewhere.db", "cache_ttl_seconds": 0}),
        ("registry", {"path": "registry.db", "registry_store_type": "probe.RegistryStore"}),
        ("registry", "sqlite:///registry.db"),
        ("batch_engine", {"type": "colisten_probe.Engine"}),
        ("auth", {"type": "kubernetes"}),
    ],
)
def test_a_configuration_that_names_code_is_refused(copy: Path, key: str, value: object) -> None:
    config = yaml.safe_load((copy / CONFIG_FILE).read_text())
    (copy / CONFIG_FILE).write_text(yaml.safe_dump(config | {key: value}))
    with pytest.raises(FeaturesRefused, match=rf"says '{key}"):
        open_store(copy)


def test_another_yaml_than_the_folders_is_not_read(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.yaml").write_text("project: other\nprovider: probe.Provider\n")
    monkeypatch.setenv("FEAST_FS_YAML_FILE_PATH", str(tmp_path / "other.yaml"))
    assert open_store(copy).project == key_space(definitions_digest(copy))


def test_files_are_opened_only_as_they_were_bound(copy: Path) -> None:
    digests = RepositoryFiles.read(copy).digests
    bound = {name: frozenset({digest, "another"}) for name, digest in digests.items()}
    assert OnlineFeatures(copy, lambda ids: np.zeros(len(ids), np.int64), FIELDS, bound=bound)
    for name in (REGISTRY_FILE, CONFIG_FILE):
        whole = (copy / name).read_bytes()
        (copy / name).write_bytes(whole + b"\n#" if name == CONFIG_FILE else whole * 2)
        with pytest.raises(FeaturesRefused, match=rf"{name} is not the one that was published"):
            open_store(copy, bound)
        (copy / name).write_bytes(whole)


def test_sources_are_read_only_as_they_were_bound(feature_folder: Path) -> None:
    open_store(feature_folder, {})
    open_store(feature_folder, {"sources": frozenset({source_digest(feature_folder)})})
    with pytest.raises(FeaturesRefused, match="sources"):
        open_store(feature_folder, {"sources": frozenset({"0" * 64})})


@given(st.binary(max_size=300))
def test_any_bytes_are_definitions_or_refused(content: bytes) -> None:
    with suppress(FeaturesRefused):
        check_registry(content, "registry.db")


def test_a_repository_that_is_open_answers_as_before(copy: Path, feature_folder: Path) -> None:
    import pyarrow as pa

    from tests.conftest import CUT

    asked = pa.table({"user_id": ["u0001"], "item_id": ["a001"], "timestamp": [CUT]})
    rows = training_rows(open_store(feature_folder), asked)
    assert len(rows) == 1
    with pytest.raises(Exception, match="not written to"):
        open_store(copy).registry.commit()
