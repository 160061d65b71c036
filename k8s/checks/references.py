"""Whether what is named is there: pods by labels, ports, volumes, claims, accounts."""

from __future__ import annotations

from collections.abc import Iterator

from k8s.checks.finding import Finding
from k8s.checks.rendered import Rendered, Workload, at, covers, name_of


def selectors(rendered: Rendered) -> Iterator[Finding]:
    """Labels that are asked for and that no pod has."""
    for workload in rendered.workloads:
        asked = workload.whole["spec"].get("selector")
        if asked is not None and not covers(asked, workload.labels):
            yield Finding("selector", workload.name, "its selector does not take its own pods.")
        for spread in workload.pod.get("topologySpreadConstraints", []):
            if not covers(spread.get("labelSelector"), workload.labels):
                yield Finding("selector", workload.name, "a spread constraint counts other pods.")
    for one in rendered.kind("Service", "PodDisruptionBudget", "NetworkPolicy"):
        spec, where = one["spec"], _space(one)
        asked = {"matchLabels": spec.get("selector", {})} if one["kind"] == "Service" else None
        asked = asked or spec.get("selector") or spec.get("podSelector")
        if not rendered.selected(asked, where):
            yield Finding("selector", name_of(one), f"no pod of {where} has the labels {asked}.")
        for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
            for peer in (*rule.get("from", ()), *rule.get("to", ())):
                pods = peer.get("podSelector")
                if pods and "namespaceSelector" not in peer and not rendered.selected(pods, where):
                    yield Finding("selector", name_of(one), f"no pod has the labels {pods}.")


def ports(rendered: Rendered) -> Iterator[Finding]:
    """Ports that a Service, a route or a policy leads to and that no container has."""
    for one in rendered.kind("Service"):
        pods = rendered.behind(one)
        for port in one["spec"].get("ports", []):
            target = port.get("targetPort", port["port"])
            for workload in pods:
                if workload.port(target) is None:
                    yield Finding("port", name_of(one), f"{workload.name} has no port {target}.")
    for one in rendered.kind("HTTPRoute"):
        for rule in one["spec"].get("rules", []):
            for backend in rule.get("backendRefs", []):
                service = rendered.find("Service", backend["name"], _space(one))
                offered = [port["port"] for port in at(service, "spec", "ports") or []]
                if backend.get("port") not in offered:
                    text = f"Service {backend['name']} has no port {backend.get('port')}."
                    yield Finding("port", name_of(one), text)
    for one in rendered.kind("NetworkPolicy"):
        for rule in one["spec"].get("ingress") or ():
            for port in rule.get("ports", ()):
                for workload in rendered.selected(one["spec"].get("podSelector"), _space(one)):
                    if workload.port(port["port"]) is None:
                        text = f"lets in to port {port['port']}, which {workload.name} has not."
                        yield Finding("port", name_of(one), text)


def volumes(rendered: Rendered) -> Iterator[Finding]:
    """Mounts without a volume, volumes that nobody mounts, claims and files that are not there."""
    for workload in rendered.workloads:
        mounted = {
            mount["name"]
            for container in workload.containers
            for mount in container.get("volumeMounts", [])
        }
        for name in sorted(mounted ^ set(workload.volumes)):
            text = "is mounted and no volume" if name in mounted else "is mounted nowhere"
            yield Finding("volume", workload.name, f"{name} {text}.")
        for kind, name in _named(workload):
            if rendered.find(kind, name, workload.namespace) is None:
                text = f"{kind} {name} is not among what is rendered for {workload.namespace}."
                yield Finding("volume", workload.name, text)
        account = workload.pod.get("serviceAccountName")
        if rendered.find("ServiceAccount", str(account), workload.namespace) is None:
            yield Finding("volume", workload.name, f"there is no ServiceAccount {account}.")


def _named(workload: Workload) -> Iterator[tuple[str, str]]:
    """Claims and ConfigMaps that pods cannot start without."""
    for volume in workload.volumes.values():
        if (claim := at(volume, "persistentVolumeClaim", "claimName")) is not None:
            yield "PersistentVolumeClaim", claim
        if (name := at(volume, "configMap", "name")) is not None:
            yield "ConfigMap", name
    for container in workload.containers:
        for source in container.get("envFrom", []):
            if (name := at(source, "configMapRef", "name")) is not None:
                yield "ConfigMap", name
        for one in container.get("env", []):
            if (name := at(one, "valueFrom", "configMapKeyRef", "name")) is not None:
                yield "ConfigMap", name


def _space(one: object) -> str:
    return str(at(one, "metadata", "namespace"))
