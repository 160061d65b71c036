"""Mistakes that were planted into what is right, each caught by the check of that name."""

from __future__ import annotations

from pathlib import Path

import pytest

from colisten.settings.cluster import load_cluster
from k8s.checks.rendered import Rendered
from k8s.checks.run import CHECKS, findings
from tests.k8s.kubectl import CLUSTER, K8S, rendered, text_of

# What finds it; where several checks do, all of them, the mistake's own first.
CAUGHT = {
    "home_at_another_path": ("home",),
    "mutable_tag": ("digest",),
    "sqlite_with_two_replicas": ("replicas", "egress", "settings"),
    "missing_egress_to_redis": ("egress",),
    "probe_on_a_wrong_port": ("probe",),
    "limit_below_duckdb": ("memory",),
    "autoscaler_max_below_min": ("autoscaling",),
    "budget_that_blocks_every_drain": ("disruption",),
    "secret_in_a_config_map": ("secret",),
    "wildcard_rights": ("rights",),
    "selector_mismatch": ("selector",),
    "missing_claim": ("volume",),
    "container_as_root": ("security",),
    "alert_on_what_is_not_exported": ("metric",),
    "dashboard_with_a_dead_query": ("metric",),
}


def checks_of(objects: Rendered) -> set[str]:
    """Names of the checks that find something."""
    return {one.check for one in findings(objects, load_cluster(CLUSTER))}


def test_every_mistake_is_listed() -> None:
    folders = {one.parent.name for one in K8S.glob("tests/mistakes/*/kustomization.yaml")}
    assert set(CAUGHT) == folders
    assert {checks[0] for checks in CAUGHT.values()} <= set(CHECKS)


def test_nothing_is_wrong_without_a_mistake() -> None:
    assert findings(rendered("overlays/production"), load_cluster(CLUSTER)) == []
    assert findings(rendered("overlays/local")) == []


@pytest.mark.parametrize("name", CAUGHT)
def test_a_mistake_is_caught(name: str) -> None:
    folder = K8S / "tests" / "mistakes" / name
    objects = Rendered.read(text_of(folder))
    assert objects.objects != rendered("overlays/production").objects, "nothing was planted"
    assert checks_of(objects) == set(CAUGHT[name])


def test_a_mistake_says_what_it_is() -> None:
    for name in CAUGHT:
        file: Path = K8S / "tests" / "mistakes" / name / "kustomization.yaml"
        assert file.read_text().startswith("# "), name
