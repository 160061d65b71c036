"""What a step's pod gets of the cluster: image, cores, memory, devices, time, retries, secrets."""

from __future__ import annotations

import math
from typing import Any

from kfp import kubernetes

from colisten.components.image import STEP_TARGETS
from colisten.pipelines.train_jobs import submission
from colisten.settings.cluster import Cluster, Pod
from colisten.threads import COUNTS, POLICY
from colisten.variables import (
    FAILURES,
    POD,
    POD_NAMESPACE,
    POD_UID,
    RUN,
    TRAIN_JOB,
    WEBHOOK,
)

NOT_REPEATED = {
    "publish": "somebody may have rolled back meanwhile, and a second publication would undo it",
    "notify": "a second message would be sent",
}
"""Steps that are never tried again, and why. All others give the same when they are: what they
write is whole or not there, and takes the place of what a first try left."""

_RUN_LABEL = "metadata.labels['pipeline/runid']"
_OF_POD = {POD_NAMESPACE: "namespace", POD: "name", POD_UID: "uid"}
_BACKOFF = {"backoff_duration": "30s", "backoff_factor": 2.0, "backoff_max_duration": "600s"}


def place(task: Any, step: str, cluster: Cluster) -> None:
    """Describe the pod of a task.

    Args:
        task: Of the pipeline that is being compiled.
        step: Its step.
        cluster: What `cluster.yaml` says.
    """
    pod = cluster.pod_of(step)
    target = STEP_TARGETS[step]
    if image := cluster.images.get(target):  # type: ignore[call-overload]
        task.set_container_image(image)
    task.set_cpu_request(pod.requests.cpu).set_memory_request(pod.requests.memory)
    task.set_cpu_limit(pod.limits.cpu).set_memory_limit(pod.limits.memory)
    if pod.accelerator is not None:
        task.set_accelerator_type(pod.accelerator.type)
        task.set_accelerator_limit(str(pod.accelerator.count))
    if pod.retries and step not in NOT_REPEATED:
        task.set_retry(pod.retries, **_BACKOFF)
    kubernetes.set_timeout(task, pod.timeout_seconds)
    _schedule(task, pod)
    for name, value in _variables(pod).items():
        task.set_env_variable(name, value)
    for volume in cluster.volumes:
        kubernetes.mount_pvc(task, volume.claim, volume.path)
    for secret in cluster.secrets:
        kubernetes.use_secret_as_env(task, secret.name, secret.variables)
    kubernetes.use_field_path_as_env(task, RUN, _RUN_LABEL)
    task.set_env_variable(FAILURES, f"{cluster.home}/failures")
    if (job := submission(step, cluster)) is not None:
        task.set_env_variable(TRAIN_JOB, job)
        for name, field in _OF_POD.items():
            kubernetes.use_field_path_as_env(task, name, f"metadata.{field}")
    if step == "notify" and cluster.webhook is not None:
        kubernetes.use_secret_as_env(task, cluster.webhook.secret, {cluster.webhook.key: WEBHOOK})


def _schedule(task: Any, pod: Pod) -> None:
    for key, value in pod.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for one in pod.tolerations:
        kubernetes.add_toleration(task, one.key, one.operator, one.value, one.effect)


def _variables(pod: Pod) -> dict[str, str]:
    """How threads wait, and how many there are, for whatever a step loads before it says so."""
    cores = str(max(1, math.floor(pod.limits.cores)))
    return {**POLICY, **dict.fromkeys(COUNTS, cores)}
