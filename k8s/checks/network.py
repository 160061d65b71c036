"""Policies let out what is connected to, and nothing else; let in who is named, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8s.checks.connections import Connection, connections
from k8s.checks.finding import Finding
from k8s.checks.rendered import Object, Rendered, Workload, covers, name_of

_SPACE = "kubernetes.io/metadata.name"
# Every pod asks for names: of the cluster's own DNS.
_DNS = Connection("DNS", "kube-dns", 53, "kube-system")
# Addresses of a node that say who it is, and hand out its keys.
_METADATA = "169.254.0.0/16"


def egress(rendered: Rendered) -> Iterator[Finding]:
    """Connections that no policy lets out, and ways out that nothing takes."""
    used: set[tuple[str, int]] = set()
    called: dict[str, list[Connection]] = {one.name: [_DNS] for one in rendered.workloads}
    for workload, connection in connections(rendered):
        called[workload.name].append(connection)
    for workload in rendered.workloads:
        rules = [*_rules(rendered, workload)]
        for one in called[workload.name]:
            through = [
                (policy, at) for policy, at, rule in rules if _lets(rule, one, workload.namespace)
            ]
            used.update(through)
            if not through:
                text = f"no policy lets it out to {one.who} at {one.host}:{one.port}."
                yield Finding("egress", workload.name, text)
    for policy in rendered.kind("NetworkPolicy"):
        for at, rule in enumerate(policy["spec"].get("egress") or ()):
            if (name_of(policy), at) not in used:
                text = f"egress rule {at + 1} leads to nothing that the configuration connects to."
                yield Finding("egress", name_of(policy), text)
            for peer in rule.get("to", [{}]):
                block = peer.get("ipBlock", {}) if peer else {"cidr": "0.0.0.0/0"}
                if block.get("cidr") == "0.0.0.0/0" and _METADATA not in block.get("except", ()):
                    text = f"egress rule {at + 1} reaches a node's metadata ({_METADATA})."
                    yield Finding("egress", name_of(policy), text)


def ingress(rendered: Rendered) -> Iterator[Finding]:
    """Pods that are reached although nobody said so, and rules that say everybody."""
    denied = {
        one["metadata"].get("namespace")
        for one in rendered.kind("NetworkPolicy")
        if not one["spec"].get("podSelector")
        and {"Ingress", "Egress"} <= set(one["spec"].get("policyTypes", ()))
        and not one["spec"].get("ingress")
        and not one["spec"].get("egress")
    }
    for workload in rendered.workloads:
        if workload.namespace not in denied:
            text = f"no policy of {workload.namespace} denies what no other one lets in or out."
            yield Finding("ingress", workload.name, text)
    for policy in rendered.kind("NetworkPolicy"):
        for at, rule in enumerate(policy["spec"].get("ingress") or ()):
            if not rule.get("from") or not rule.get("ports"):
                text = f"ingress rule {at + 1} lets in everybody, or to every port."
                yield Finding("ingress", name_of(policy), text)


def _rules(rendered: Rendered, workload: Workload) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Ways out that hold for a workload, each with its policy and its place there."""
    for policy in rendered.kind("NetworkPolicy"):
        if _applies(policy, workload):
            for at, rule in enumerate(policy["spec"].get("egress") or ()):
                yield name_of(policy), at, rule


def _applies(policy: Object, workload: Workload) -> bool:
    same = policy["metadata"].get("namespace") == workload.namespace
    return same and covers(policy["spec"].get("podSelector"), workload.labels)


def _lets(rule: Mapping[str, Any], one: Connection, own: str) -> bool:
    ports = [port["port"] for port in rule.get("ports", [])]
    named = {at for pod in one.pods for at in ports if pod.port(at) == one.port}
    if ports and one.port not in ports and not named:
        return False
    peers = rule.get("to")
    return not peers or any(_is_peer(peer, one, own) for peer in peers)


def _is_peer(peer: Mapping[str, Any], one: Connection, own: str) -> bool:
    if "ipBlock" in peer or one.namespace is None:
        return "ipBlock" in peer and one.namespace is None
    spaces, pods = peer.get("namespaceSelector"), peer.get("podSelector")
    if spaces is None:
        # Of the policy's own namespace, where all pods are rendered.
        if one.namespace != own or not one.pods:
            return False
    elif spaces.get("matchLabels", {}).get(_SPACE) not in (None, one.namespace):
        return False
    return not pods or not one.pods or any(covers(pods, pod.labels) for pod in one.pods)
