"""Each check finds what it is there for, beyond the mistakes of k8s/tests/mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from colisten.settings.cluster import Cluster, load_cluster
from k8s.checks.publishing import published
from k8s.checks.run import CHECKS, findings
from tests.k8s.edits import EDITS, Edit
from tests.k8s.kubectl import CLUSTER, rendered


@pytest.mark.parametrize(("check", "text", "edit"), EDITS)
def test_a_check_finds_its_mistake(check: str, text: str, edit: Edit) -> None:
    before = rendered("overlays/production")
    told = [str(one) for one in findings(edit.made(before)) if one not in findings(before)]
    assert any(one.startswith(f"{check}: ") and text in one for one in told), told


def test_every_check_is_tried() -> None:
    assert {check for check, _, _ in EDITS} == set(CHECKS)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("colisten-feast-milvus", "egress: CronJob/colisten-fill: no policy lets it out to Milvus"),
        ("colisten-feast-redis", "egress: CronJob/colisten-fill: no policy lets it out to Redis"),
        ("colisten-serving-redis", "egress: Deployment/colisten-serving: no policy lets it out to"),
    ],
)
def test_a_way_between_pods_of_one_node_is_missed(policy: str, text: str) -> None:
    whole = rendered("overlays/local-stores")
    assert findings(whole) == []
    told = [str(one) for one in findings(Edit("NetworkPolicy", policy).made(whole))]
    assert any(one.startswith(text) for one in told), told


def test_pipelines_that_publish_elsewhere_are_found() -> None:
    objects, cluster = rendered("overlays/production"), load_cluster(CLUSTER)
    assert [*published(objects, cluster)] == []
    digest = f"registry.example/colisten/light@sha256:{'9' * 64}"
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("publishes to s3://other", {"home": "s3://other/audiobooks"}),
        ("and elsewhere", {"images": cluster.images | {"light": digest}}),
        ("no claim elsewhere", {"volumes": [{"claim": "elsewhere", "path": "/colisten"}]}),
        ("no runtime torch", {"steps": {"train_hgnn": _step("torch")}}),
        ("need", {"pod": {"limits": {"cpu": "2", "memory": "256Mi"}}}),
    ]
    for text, update in wrong:
        changed = Cluster.model_validate(cluster.model_dump(exclude_unset=True) | update)
        assert any(text in str(one) for one in published(objects, changed)), text


def _step(runtime: str) -> dict[str, Any]:
    return {"trainjob": {"runtime": runtime, "runtime_kind": "TrainingRuntime"}}
