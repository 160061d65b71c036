"""How many pods there are, and how few may be left."""

from __future__ import annotations

import math
from collections.abc import Iterator

from k8s.checks.command import Command, publishing_of, services
from k8s.checks.finding import Finding
from k8s.checks.queries import declared
from k8s.checks.rendered import Object, Rendered, Workload, at, name_of


def autoscaling(rendered: Rendered) -> Iterator[Finding]:
    """Autoscalers of nothing, between wrong bounds, by what is not measured."""
    for scaler in rendered.kind("HorizontalPodAutoscaler"):
        spec, name = scaler["spec"], name_of(scaler)
        least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
        if most < least:
            yield Finding("autoscaling", name, f"maxReplicas {most} is below minReplicas {least}.")
        target = _target(rendered, scaler)
        if target is None:
            yield Finding("autoscaling", name, f"there is no {spec['scaleTargetRef']['name']}.")
            continue
        if "replicas" in target.whole["spec"]:
            text = f"{target.name} says replicas, which every apply sets back: leave it out."
            yield Finding("autoscaling", name, text)
        for metric in spec.get("metrics", []):
            resource, pods = at(metric, "resource", "name"), at(metric, "pods", "metric", "name")
            for container in target.containers if resource is not None else ():
                if resource not in (at(container, "resources", "requests") or {}):
                    text = f"{container['name']} requests no {resource}, of which a share is taken."
                    yield Finding("autoscaling", name, text)
            if pods is not None and pods not in declared():
                yield Finding("autoscaling", name, f"/metrics has no {pods}.")


def disruption(rendered: Rendered) -> Iterator[Finding]:
    """Budgets that no drain fits in, and workloads of several pods without one."""
    for budget in rendered.kind("PodDisruptionBudget"):
        spec, name = budget["spec"], name_of(budget)
        for workload in rendered.selected(
            spec.get("selector"), str(at(budget, "metadata", "namespace"))
        ):
            replicas = rendered.least_replicas(workload)
            kept = spec.get("minAvailable")
            if kept is None:
                kept = replicas - _count(spec["maxUnavailable"], replicas)
            if _count(kept, replicas) >= replicas:
                text = f"of {replicas} pods {replicas} must stay: no node can ever be drained."
                yield Finding("disruption", name, text)
    for workload in rendered.workloads:
        if rendered.least_replicas(workload) > 1 and not any(
            workload in rendered.selected(one["spec"].get("selector"), workload.namespace)
            for one in rendered.kind("PodDisruptionBudget")
        ):
            yield Finding("disruption", workload.name, "its pods may all be drained at once.")


def replicas(rendered: Rendered) -> Iterator[Finding]:
    """Several pods over what only one can have."""
    for command in services(rendered):
        name = command.workload.name
        for text in (*_of_sqlite(rendered, command), *_of_many(rendered, command)):
            yield Finding("replicas", name, text)
    for workload in rendered.workloads:
        served = any("tritonserver" in one.get("args", []) for one in workload.containers)
        if served and rendered.most_replicas(workload) > 1:
            text = "a model is loaded into one server of several: keep one replica."
            yield Finding("replicas", workload.name, text)


def _of_sqlite(rendered: Rendered, command: Command) -> Iterator[str]:
    publishing = publishing_of(rendered)
    if publishing is None or publishing.features.online_store != "sqlite":
        return
    if rendered.most_replicas(command.workload) > 1 or "--store" in command.options:
        yield (
            "features.online_store is sqlite, a file of one folder, which pods do not share: set "
            "redis."
        )


def _of_many(rendered: Rendered, command: Command) -> Iterator[str]:
    workload = command.workload
    if rendered.most_replicas(workload) == 1:
        return
    for volume in workload.volumes.values():
        claim = at(volume, "persistentVolumeClaim", "claimName")
        found = rendered.find("PersistentVolumeClaim", str(claim), workload.namespace)
        if found is not None and "ReadWriteMany" not in found["spec"]["accessModes"]:
            yield f"several pods share the claim {claim}, which one node alone may write."
    settings = command.settings
    if settings is not None and settings.serving.tower == "triton" and settings.triton.unload:
        yield (
            "pods of several disks share a Triton and would unload each other's models: set "
            "triton.unload to false."
        )


def _target(rendered: Rendered, scaler: Object) -> Workload | None:
    wanted = scaler["spec"]["scaleTargetRef"]
    for workload in rendered.workloads:
        same = workload.namespace == scaler["metadata"].get("namespace")
        if same and workload.name == f"{wanted['kind']}/{wanted['name']}":
            return workload
    return None


def _count(said: int | str, replicas: int) -> int:
    """How many pods a number or a share of them is; Kubernetes rounds up."""
    if isinstance(said, str) and said.endswith("%"):
        return math.ceil(int(said[:-1]) / 100 * replicas)
    return int(said)
