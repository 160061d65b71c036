"""Rendered manifests: objects by kind, and what runs pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

Object = Mapping[str, Any]
# Where the template of its pods lies.
_TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


def at(node: Any, *path: str | int) -> Any:
    """What lies at a path of names and positions; None where nothing does."""
    for step in path:
        if isinstance(node, Mapping):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return None
    return node


def name_of(one: Object) -> str:
    """kind/name, as findings say it."""
    return f"{one['kind']}/{at(one, 'metadata', 'name')}"


def covers(selector: Any, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels; matchExpressions are not used here."""
    wanted: Mapping[str, str] = (selector or {}).get("matchLabels", {})
    return wanted.items() <= labels.items()


@dataclass(frozen=True)
class Workload:
    """What runs pods.

    Attributes:
        whole: The object.
        template: Of its pods.
    """

    whole: Object
    template: Object

    @property
    def name(self) -> str:
        return name_of(self.whole)

    @property
    def namespace(self) -> str:
        return str(at(self.whole, "metadata", "namespace"))

    @property
    def labels(self) -> Mapping[str, str]:
        """Of its pods."""
        return at(self.template, "metadata", "labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """Of its pods."""
        return at(self.template, "metadata", "annotations") or {}

    @property
    def pod(self) -> Object:
        spec: Object = self.template["spec"]
        return spec

    @property
    def containers(self) -> list[Object]:
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def volumes(self) -> dict[str, Object]:
        """By name."""
        return {one["name"]: one for one in self.pod.get("volumes", [])}

    @property
    def ports(self) -> dict[str, int]:
        """Ports of its containers by name; one without a name has its number for one."""
        return {
            str(port.get("name", port["containerPort"])): int(port["containerPort"])
            for container in self.containers
            for port in container.get("ports", [])
        }

    def port(self, named: str | int) -> int | None:
        """The number of a port by its name or its number; None where no container has it."""
        found = self.ports.get(str(named))
        if found is None and named in self.ports.values():
            return int(named)
        return found


@dataclass(frozen=True)
class Rendered:
    """Every object of a rendering."""

    objects: tuple[Object, ...]

    @classmethod
    def read(cls, text: str) -> Rendered:
        """Read what `kubectl kustomize` prints."""
        return cls(tuple(one for one in yaml.safe_load_all(text) if one))

    def kind(self, *kinds: str) -> list[Object]:
        """The objects of these kinds."""
        return [one for one in self.objects if one["kind"] in kinds]

    def find(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object by its name; None where there is none."""
        for one in self.kind(kind):
            meta = one["metadata"]
            if meta["name"] == name and namespace in (None, meta.get("namespace")):
                return one
        return None

    @cached_property
    def workloads(self) -> list[Workload]:
        """All that runs pods, but for what operators make of resources of their own."""
        return [Workload(one, at(one, *_TEMPLATES[one["kind"]])) for one in self.kind(*_TEMPLATES)]

    def selected(self, selector: Any, namespace: str) -> list[Workload]:
        """Workloads of a namespace whose pods a label selector takes."""
        return [
            one
            for one in self.workloads
            if one.namespace == namespace and covers(selector, one.labels)
        ]

    def behind(self, service: Object) -> list[Workload]:
        """Workloads whose pods a Service leads to; none where it selects nothing itself."""
        labels = service["spec"].get("selector")
        space = str(at(service, "metadata", "namespace"))
        return self.selected({"matchLabels": labels}, space) if labels else []

    def least_replicas(self, workload: Workload) -> int:
        """Pods that a workload has at least: of its autoscaler, else as it says itself."""
        return self._replicas(workload, "minReplicas")

    def most_replicas(self, workload: Workload) -> int:
        """Pods that it has at most, likewise."""
        return self._replicas(workload, "maxReplicas")

    def _replicas(self, workload: Workload, bound: str) -> int:
        for scaler in self.kind("HorizontalPodAutoscaler"):
            target = scaler["spec"]["scaleTargetRef"]
            if f"{target['kind']}/{target['name']}" == workload.name:
                return int(scaler["spec"].get(bound, 1))
        return int(at(workload.whole, "spec", "replicas") or 1)


def strings(node: Any, *path: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in a tree, with the names that lead to it."""
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from strings(value, *path, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from strings(value, *path)
