"""What keeps a pipeline from running on a cluster, found before it is submitted.

Every fault is a sentence of what is wrong and what to set instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from colisten.components.image import STEP_TARGETS
from colisten.errors import PipelineError
from colisten.pipelines.placing import NOT_REPEATED
from colisten.pipelines.train_jobs import faults_of
from colisten.settings.cluster import Cluster, Pod
from colisten.settings.index import IndexSettings
from colisten.settings.release import ReleaseSettings
from colisten.settings.sections import FeatureSettings
from colisten.words import known_word

MOST_BYTES = 8_000
"""Of a parameter or a constant; Kubeflow takes 10,000 characters."""

_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


def check_cluster(
    cluster: Cluster, *, index: IndexSettings, features: FeatureSettings, release: ReleaseSettings
) -> None:
    """Refuse a cluster on which runs would fail, or would leave what nobody else can read.

    Args:
        cluster: What `cluster.yaml` says.
        index: Where vectors are searched.
        features: Where online features lie.
        release: Where keys lie.

    Raises:
        PipelineError: Something keeps it from running; the message names all that does.
    """
    for step in cluster.steps:
        known_word("cluster.yaml: step", step, tuple(STEP_TARGETS), PipelineError)
    keys = {"release.public_key": release.public_key, "release.signing_key": release.signing_key}
    faults = [
        *_images(cluster),
        *_folders(cluster, {name: key for name, key in keys.items() if key is not None}),
        *_stores(cluster, index, features),
        *(fault for step in STEP_TARGETS for fault in _pod(step, cluster.pod_of(step))),
        *faults_of(cluster),
    ]
    if faults:
        raise PipelineError(f"cluster.yaml does not go: {' '.join(dict.fromkeys(faults))}")


def spec_faults(
    spec: dict[str, Any], platform: dict[str, Any], *, cluster: Cluster | None
) -> list[str]:
    """What is wrong with a compiled pipeline.

    Args:
        spec: Its PipelineSpec.
        platform: What its pods get.
        cluster: What it was made for; None: references and sizes alone count.
    """
    faults = [f"Dangling reference: {each}." for each in dangling_references(spec)]
    for name, text in _texts(spec):
        if len(text.encode()) > MOST_BYTES:
            faults.append(
                f"{name} has {len(text.encode()):,} bytes, and Kubeflow takes 10,000: "
                "hand it on as an artifact."
            )
    if cluster is not None:
        faults += _executor_faults(spec, platform)
    return faults


def _executor_faults(spec: dict[str, Any], platform: dict[str, Any]) -> Iterator[str]:
    """Executors without digest, resources, timeout or retries."""
    pods = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {})
    retried = {
        spec["components"][task["componentRef"]["name"]].get("executorLabel")
        for dag in _dags(spec).values()
        for task in dag["tasks"].values()
        if task.get("retryPolicy", {}).get("maxRetryCount", 0) > 0
    }
    for name, executor in spec["deploymentSpec"]["executors"].items():
        if "container" not in executor:
            continue  # an importer: no pod of ours
        container = executor["container"]
        if not _DIGEST.fullmatch(container["image"]):
            image = container["image"]
            yield f"{name} has the mutable image {image}: write images as name@sha256:digest."
        for kind in ("Request", "Limit"):
            for what in ("cpu", "memory"):
                if f"resource{what.title()}{kind}" not in container.get("resources", {}):
                    yield f"{name} has no {what} {kind.lower()}: set pod.{kind.lower()}s."
        if not int(pods.get("executors", {}).get(name, {}).get("activeDeadlineSeconds", 0)):
            yield f"{name} has no timeout: set pod.timeout_seconds."
        step = re.sub(r"(-\d+)*$", "", name.removeprefix("exec-")).replace("-", "_")
        if name not in retried and step not in NOT_REPEATED:
            yield f"{name} is never tried again: set pod.retries."


def _images(cluster: Cluster) -> Iterator[str]:
    for target, image in cluster.images.items():
        if not _DIGEST.fullmatch(image):
            yield (
                f"images.{target} is {image}, which may be another image tomorrow: write it as "
                "name@sha256:digest, as `make images` does."
            )
    missing = sorted(set(STEP_TARGETS.values()) - set(cluster.images))
    if missing:
        yield f"images lacks {', '.join(missing)}: name each as name@sha256:digest."


def _folders(cluster: Cluster, keys: dict[str, str]) -> Iterator[str]:
    """Paths of the host that compiles, or of a pod that is gone tomorrow."""
    mounted = [PurePosixPath(volume.path) for volume in cluster.volumes]
    named = {"scratch": cluster.scratch, **keys}
    if not cluster.on_object_store:
        named = {"home": cluster.home, **named}
    for name, folder in named.items():
        if folder is not None and not any(
            PurePosixPath(folder).is_relative_to(volume) for volume in mounted
        ):
            yield (
                f"{name} is {folder}, a folder of one pod alone: mount a claim by `volumes` and "
                f"name a path below it{', or an s3:// address' if name == 'home' else ''}."
            )


def _stores(cluster: Cluster, index: IndexSettings, features: FeatureSettings) -> Iterator[str]:
    if index.backend == "milvus" and index.uri is None:
        yield (
            "index.backend=milvus without index.uri is Milvus Lite, a file for one process: set "
            "index.uri to a Milvus server, or index.backend=exact."
        )
    shared = cluster.on_object_store or cluster.serving_replicas > 1
    if shared and features.online_store == "sqlite":
        object_store = "an object store holds no such file"
        why = object_store if cluster.on_object_store else "replicas share none"
        yield (
            f"Online features lie in SQLite, and {why}: set features.online_store=redis and "
            "features.redis."
        )


def _pod(step: str, pod: Pod) -> Iterator[str]:
    for what in ("cores", "memory_bytes"):
        if getattr(pod.requests, what) > getattr(pod.limits, what):
            yield f"{step} requests more {what.partition('_')[0]} than its limit: raise the limit."
    if not pod.retries and step not in NOT_REPEATED:
        yield f"{step} is never tried again, and may be: set retries to 1 or more."


def dangling_references(spec: dict[str, Any]) -> list[str]:
    """Every component, executor or producer task that is named but not defined."""
    components = spec.get("components", {})
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    dangling: list[str] = []
    for name, component in components.items():
        if "dag" not in component and component.get("executorLabel") not in executors:
            dangling.append(f"{name}: executor {component.get('executorLabel')}")
    for name, dag in _dags(spec).items():
        tasks = dag.get("tasks", {})
        for task_name, task in tasks.items():
            if task["componentRef"]["name"] not in components:
                dangling.append(f"{name}.{task_name}: component {task['componentRef']['name']}")
            dangling.extend(
                f"{name}.{task_name}: task {producer}"
                for producer in [*task.get("dependentTasks", []), *_named(task, "producerTask")]
                if producer not in tasks
            )
        for selector in _named(dag.get("outputs", {}), "producerSubtask"):
            if selector not in tasks:
                dangling.append(f"{name}: output of task {selector}")
    return dangling


def _dags(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All graphs of tasks, by the name of their component."""
    inner = {name: each["dag"] for name, each in spec["components"].items() if "dag" in each}
    return {"root": spec["root"]["dag"], **inner}


def _named(node: Any, key: str) -> list[str]:
    """Every text under a key, however deep."""
    if isinstance(node, dict):
        own = [node[key]] if key in node else []
        return own + [name for value in node.values() for name in _named(value, key)]
    if isinstance(node, list):
        return [name for value in node for name in _named(value, key)]
    return []


def _texts(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Constants of tasks and defaults of parameters, each with where it stands."""
    for name, dag in _dags(spec).items():
        for task_name, task in dag["tasks"].items():
            for each, value in task.get("inputs", {}).get("parameters", {}).items():
                constant = value.get("runtimeValue", {}).get("constant")
                if constant is not None:
                    yield f"{name}.{task_name}.{each}", str(constant)
    for each, value in spec["root"].get("inputDefinitions", {}).get("parameters", {}).items():
        yield f"The parameter {each}", str(value.get("defaultValue", ""))
