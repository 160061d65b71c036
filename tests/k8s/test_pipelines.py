"""Pipelines as resources, compiled for the production overlay's cluster by one command."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from colisten.cli.app import program
from k8s.checks.rendered import Rendered, strings
from k8s.checks.schemas import VERSIONS, faults
from tests.k8s.kubectl import CLUSTER, rendered, text_of

PUBLISHING = CLUSTER.with_name("publishing.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["retrain", "refresh"])
def test_a_pipeline_is_a_resource_that_kubeflow_takes(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.yaml"
    words = ["pipeline", "compile", name, "--manifest", "--out", str(file)]
    words += ["--cluster", str(CLUSTER), "--config", str(PUBLISHING)]
    done = CliRunner().invoke(program(), words)
    assert done.exit_code == 0, done.output
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": [file.name]}))
    objects = Rendered.read(text_of(tmp_path))
    assert {one["kind"] for one in objects.objects} == {"Pipeline", "PipelineVersion"}
    for one in objects.objects:
        assert faults(one, VERSIONS[-1]) == []
        assert one["metadata"]["namespace"] == "kubeflow"
    # What its pods mount and run as is what is rendered beside it.
    said = {text for one in objects.objects for _, text in strings(one)}
    beside = rendered("overlays/production")
    for kind, named in (("PersistentVolumeClaim", "colisten-scratch"),):
        assert named in said
        assert beside.find(kind, named, "kubeflow") is not None
