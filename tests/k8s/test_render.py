"""Every overlay, base and component renders to what Kubernetes takes, on each of its versions."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.checks.rendered import Rendered, at
from k8s.checks.run import findings
from k8s.checks.schemas import VERSIONS, custom, faults, schema_findings
from tests.k8s.kubectl import K8S, rendered, text_of

OVERLAYS = sorted(one.parent.name for one in K8S.glob("overlays/*/kustomization.yaml"))
BASES = sorted(one.parent.name for one in K8S.glob("base/*/kustomization.yaml"))
COMPONENTS = sorted(one.parent.name for one in K8S.glob("components/*/kustomization.yaml"))
# Of an object that stands for each kind that has a schema of ours.
EXAMPLES = {
    "HTTPRoute": ("spec", "rules", 0, "backendRefs", 0),
    "Milvus": ("spec", "dependencies", "storage"),
    "TrainingRuntime": ("spec", "mlPolicy", "torch"),
}


def test_the_folders_are_those_that_are_promised() -> None:
    assert {"local", "local-stores", "production"} <= set(OVERLAYS)
    assert {"serving", "triton", "feast", "pipelines"} <= set(BASES)
    assert set(COMPONENTS) == {
        *("milvus-operator", "feast-operator", "trainer", "gateway", "image-volume-release"),
        *("redis", "milvus-standalone"),
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_what_kubernetes_takes(name: str, version: str) -> None:
    objects = rendered(f"overlays/{name}")
    assert len(objects.objects) > 8
    assert schema_findings(objects, version) == []


@pytest.mark.parametrize("name", BASES)
def test_a_base_renders_by_itself(name: str) -> None:
    for version in (VERSIONS[0], VERSIONS[-1]):
        assert schema_findings(rendered(f"base/{name}"), version) == []


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_renders_over_the_bases(name: str, tmp_path: Path) -> None:
    objects = over_the_bases(name, tmp_path)
    for version in (VERSIONS[0], VERSIONS[-1]):
        assert schema_findings(objects, version) == []
    assert objects.objects != over_the_bases(None, tmp_path).objects, "it changes nothing"


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_field_that_nobody_knows_is_refused(kind: str) -> None:
    whole: Any = copy.deepcopy(rendered("overlays/production").kind(kind)[0])
    assert faults(whole, VERSIONS[-1]) == []
    at(whole, *EXAMPLES[kind])["misspelt"] = "x"
    assert any("misspelt" in one for one in faults(whole, VERSIONS[-1]))


def test_fields_of_pods_in_resources_of_others_are_kubernetes_own(tmp_path: Path) -> None:
    whole: Any = copy.deepcopy(rendered("overlays/production").kind("TrainingRuntime")[0])
    job = whole["spec"]["template"]["spec"]["replicatedJobs"][0]
    job["template"]["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = "Always"
    assert any("imagePullPolcy" in one for one in faults(whole, VERSIONS[-1]))
    store: Any = copy.deepcopy(over_the_bases("feast-operator", tmp_path).kind("FeatureStore")[0])
    store["spec"]["services"]["onlineStore"]["server"]["env"][0]["valueFrm"] = {}
    assert any("valueFrm" in one for one in faults(store, VERSIONS[-1]))


def test_a_kind_that_nobody_knows_is_refused() -> None:
    one = {"apiVersion": "apps/v1", "kind": "Deploymnt", "metadata": {"name": "x"}}
    assert faults(one, VERSIONS[-1]) == ["no such kind: apps/v1 Deploymnt"]
    misspelt = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoutes"}
    assert faults(misspelt, VERSIONS[-1]) != []


def test_a_schema_says_where_its_facts_are_from() -> None:
    files = sorted((K8S / "schemas").glob("*.yaml"))
    assert len({name for _, name in custom()}) >= len(files)
    for file in files:
        head = file.read_text().splitlines()[0]
        assert head.startswith("# "), file
        assert "github.com/" in head or "sigs.k8s.io/" in head, file


def test_what_is_rendered_is_one_document_an_object() -> None:
    for name in OVERLAYS:
        keys = [
            (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
            for one in rendered(f"overlays/{name}").objects
        ]
        assert len(keys) == len(set(keys)), name


@pytest.mark.parametrize("name", [None, "gateway", "image-volume-release"])
def test_a_component_keeps_what_is_checked(name: str | None, tmp_path: Path) -> None:
    # Bases have no digests; an overlay does.
    objects = over_the_bases(name, tmp_path, ("serving", "feast", "pipelines"))
    assert [one for one in findings(objects) if one.check != "digest"] == []


def over_the_bases(name: str | None, folder: Path, bases: Sequence[str] = BASES) -> Rendered:
    """A component over bases, or those alone."""
    where = folder / str(name)
    where.mkdir()
    # kustomize takes folders outside its own by a relative path alone.
    up = Path(os.path.relpath(K8S.resolve(), where.resolve()))
    text = {
        "resources": [str(up / "base" / one) for one in bases],
        "components": [] if name is None else [str(up / "components" / name)],
    }
    (where / "kustomization.yaml").write_text(yaml.safe_dump(text))
    return Rendered.read(text_of(where))
