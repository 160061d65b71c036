"""Compiling a pipeline to the YAML that a Kubeflow Pipelines cluster takes, checked for it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions
from kfp.dsl import graph_component

from colisten.errors import PipelineError
from colisten.files import write_aside
from colisten.pipelines.checks import spec_faults
from colisten.settings.cluster import Cluster

_DIGITS = 12


def compile_pipeline(
    pipeline: graph_component.GraphComponent,
    out: Path,
    cluster: Cluster | None = None,
    *,
    manifest: bool = False,
) -> Path:
    """Write `pipeline` at `out`: a PipelineSpec and, for a cluster, what its pods get.

    Args:
        pipeline: A function decorated with `dsl.pipeline`.
        out: YAML file.
        cluster: What it was made for; None: to be looked at or tried here.
        manifest: Write Kubernetes resources instead, Pipeline and PipelineVersion; the name of
            the version is a digest of its content.

    Raises:
        PipelineError: `out` is not a .yaml path, or the specification is none that the cluster
            could run: see `colisten.pipelines.checks`.
    """
    if out.suffix not in {".yaml", ".yml"}:
        raise PipelineError(f"{out} is not a .yaml file.", "Name the output pipeline.yaml.")
    with write_aside(out) as aside:
        draft = aside.with_suffix(".yaml")
        try:
            compiler.Compiler().compile(pipeline, str(draft))
            text = draft.read_text()
            faults = spec_faults(*documents(text), cluster=cluster)
            if faults:
                raise PipelineError(f"{pipeline.name} cannot run: {' '.join(faults)}")
            if manifest:
                text = _manifest(pipeline, draft, text, cluster)
        finally:
            draft.unlink(missing_ok=True)
        aside.write_text(text)
    return out


def documents(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The PipelineSpec of a compiled file, and what its pods get, empty where nothing is said."""
    first, *more = yaml.safe_load_all(text)
    return first, more[0] if more else {}


def _manifest(pipeline: Any, draft: Path, text: str, cluster: Cluster | None) -> str:
    server = None if cluster is None else cluster.kubeflow
    digest = hashlib.sha256(text.encode()).hexdigest()
    compiler.Compiler().compile(
        pipeline,
        str(draft),
        kubernetes_manifest_format=True,
        kubernetes_manifest_options=KubernetesManifestOptions(
            pipeline_name=pipeline.name,
            pipeline_version_name=f"{pipeline.name}-{digest[:_DIGITS]}",
            namespace=None if server is None else server.namespace,
            include_pipeline_manifest=True,
        ),
    )
    resource, *others = yaml.safe_load_all(draft.read_text())
    # The name once more, in a field that older Kubeflows do not know and kubectl then refuses.
    resource["spec"].pop("displayName", None)
    return yaml.safe_dump_all([resource, *others], sort_keys=True)
