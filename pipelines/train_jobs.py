"""The TrainJob that trains in a step's stead: compiled into the step, which submits it."""

from __future__ import annotations

from typing import Any

from colisten.components.image import STEP_TARGETS, image_of
from colisten.json_files import to_json
from colisten.settings.cluster import Cluster, TrainJob
from colisten.steps.registry import SHARED
from colisten.threads import COUNTS, POLICY

TRAINERS = ("train_hgnn", "train_towers")
"""Steps that a TrainJob may stand for."""

_API = "trainer.kubeflow.org"
# Names of the job and of its container in every runtime of torch that Kubeflow brings.
_NODE = "node"
_MANAGER = "colisten/pipelines"
# torchrun reads from the environment how many nodes and processes there are, which the runtime
# puts there.
_COMMAND = ["python3", "-m", "torch.distributed.run", "-m", "colisten.components.entry"]
# Its pods are told to end before they are killed; what is not on the volume by then is lost, and a
# checkpoint is written in less.
_GRACE_SECONDS = 30


def submission(step: str, cluster: Cluster) -> str | None:
    """What the pod of a step submits, as JSON; None where the step itself trains.

    Its name, its owner and the arguments of its command are the submitter's to fill in: see
    `colisten.components.train_job`.
    """
    job = cluster.trainjob_of(step)
    if job is None:
        return None
    return to_json(
        {
            "folder": f"{cluster.scratch_folder}/trainjobs",
            "timeout_seconds": job.timeout_seconds,
            "manifest": {
                "apiVersion": f"{_API}/v1alpha1",
                "kind": "TrainJob",
                "metadata": {"labels": {"app.kubernetes.io/managed-by": "colisten"}},
                "spec": _spec(step, job, cluster),
            },
        },
        finite=True,
    )


def faults_of(cluster: Cluster) -> list[str]:
    """What keeps a cluster's TrainJobs from running, each with what to set instead."""
    jobs = {step: job for step in cluster.steps if (job := cluster.trainjob_of(step)) is not None}
    faults = [fault for step, job in jobs.items() for fault in _faults(step, job, cluster)]
    if jobs and not any(
        f"{cluster.scratch_folder}/".startswith(f"{volume.path.rstrip('/')}/")
        for volume in cluster.volumes
    ):
        faults.append(
            f"TrainJobs read and write {cluster.scratch_folder}, a folder of one pod alone: mount "
            "a claim that several nodes may write (ReadWriteMany) by `volumes`, and set scratch to "
            "a path below it."
        )
    if jobs and (cluster.kubeflow is None or cluster.kubeflow.service_account is None):
        faults.append(
            "TrainJobs are submitted by the pods' service account, and none is named: set "
            "kubeflow.service_account to one that may (docs/cluster.md lists the verbs)."
        )
    return faults


def _faults(step: str, job: TrainJob, cluster: Cluster) -> list[str]:
    where, faults = f"steps.{step}.trainjob", []
    if step not in TRAINERS:
        return [f"{where}: {step} trains nothing; only {' and '.join(TRAINERS)} may have one."]
    many = job.nodes * job.processes
    if many > 1 and step not in SHARED:
        faults.append(
            f"{where} has {many} processes, and {step} trains in one: set nodes and processes to 1."
        )
    if job.accelerator is not None and job.accelerator.count < job.processes:
        faults.append(
            f"{where} has {job.processes} processes a node and {job.accelerator.count} devices: "
            "give each a device of its own by accelerator.count."
        )
    if job.limits.cores < job.processes:
        faults.append(
            f"{where} has {job.processes} processes a node within {job.limits.cpu} cores: raise "
            "limits.cpu to one each."
        )
    for what in ("cores", "memory_bytes"):
        if getattr(job.requests, what) > getattr(job.limits, what):
            name = what.partition("_")[0]
            faults.append(f"{where} requests more {name} than its limit: raise the limit.")
    if job.timeout_seconds >= cluster.pod_of(step).timeout_seconds:
        faults.append(
            f"{where} may take {job.timeout_seconds} s and the pod that follows it is ended after "
            f"{cluster.pod_of(step).timeout_seconds}: raise steps.{step}.timeout_seconds."
        )
    return faults


def _spec(step: str, job: TrainJob, cluster: Cluster) -> dict[str, Any]:
    images = {str(target): image for target, image in cluster.images.items()}
    return {
        "runtimeRef": {"apiGroup": _API, "kind": job.runtime_kind, "name": job.runtime},
        "activeDeadlineSeconds": job.timeout_seconds,
        "trainer": {
            "image": images.get(STEP_TARGETS[step], image_of(step)),
            "command": _COMMAND,
            "numNodes": job.nodes,
            "numProcPerNode": job.processes,
            "resourcesPerNode": _resources(job),
            "env": [*_variables(job), *_secrets(cluster)],
        },
        "runtimePatches": [{"manager": _MANAGER, "trainingRuntimeSpec": _patch(job, cluster)}],
    }


def _resources(job: TrainJob) -> dict[str, dict[str, str]]:
    asked = {
        kind: {"cpu": given.cpu, "memory": given.memory}
        for kind, given in (("requests", job.requests), ("limits", job.limits))
    }
    if job.accelerator is not None:
        for given in asked.values():
            given[job.accelerator.type] = str(job.accelerator.count)
    return asked


def _variables(job: TrainJob) -> list[dict[str, Any]]:
    cores = str(max(1, int(job.limits.cores) // job.processes))
    values = {**POLICY, **dict.fromkeys(COUNTS, cores)}
    return [{"name": name, "value": value} for name, value in values.items()]


def _secrets(cluster: Cluster) -> list[dict[str, Any]]:
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret.name, "key": key}}}
        for secret in cluster.secrets
        for key, variable in secret.variables.items()
    ]


def _patch(job: TrainJob, cluster: Cluster) -> dict[str, Any]:
    """What the runtime's pods get beside the trainer: where they stand and what they mount."""
    pod: dict[str, Any] = {
        "volumes": [
            {"name": f"colisten-{number}", "persistentVolumeClaim": {"claimName": volume.claim}}
            for number, volume in enumerate(cluster.volumes)
        ],
        "containers": [
            {
                "name": _NODE,
                "volumeMounts": [
                    {"name": f"colisten-{number}", "mountPath": volume.path}
                    for number, volume in enumerate(cluster.volumes)
                ],
            }
        ],
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
    }
    if job.node_selector:
        pod["nodeSelector"] = dict(job.node_selector)
    if job.tolerations:
        pod["tolerations"] = [one.model_dump(exclude_none=True) for one in job.tolerations]
    replicated = {"name": _NODE, "template": {"spec": {"template": {"spec": pod}}}}
    return {"template": {"spec": {"replicatedJobs": [replicated]}}}
