"""What a pod may do, and what it is made of: restricted, by digest, without a secret in sight."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticCustomError

from colisten.settings.secrets import without_secrets
from k8s.checks.finding import Finding
from k8s.checks.rendered import Object, Rendered, at, name_of, strings

_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
# Pod Security Standards, restricted (kubernetes.io/docs/concepts/security/pod-security-standards).
_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image"),
    *("persistentVolumeClaim", "projected", "secret"),
}
_SECCOMP = ("RuntimeDefault", "Localhost")
# A name that says that its value is a secret, and none that says where one is.
_SECRET = re.compile(r"(?i)(passw(or)?d|passphrase|token|secret|api[_-]?key|credential)(?!.*file)")
_SAID = re.compile(r"(?im)^\s*[\w.-]*(?:passw(?:or)?d|passphrase|token|secret)\s*[:=]\s*(\S+)")


def security(rendered: Rendered) -> Iterator[Finding]:
    """What Pod Security's level `restricted` refuses, a root that is written, a needless token."""
    for workload in rendered.workloads:
        pod = workload.pod
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(name):
                yield Finding("security", workload.name, f"it has {name}.")
        for volume in workload.volumes.values():
            if kinds := set(volume) - {"name"} - _VOLUMES:
                yield Finding("security", workload.name, f"a volume is a {', '.join(kinds)}.")
        for container in workload.containers:
            for text in _container_faults(pod, container):
                yield Finding("security", workload.name, f"{container['name']} {text}.")
        if pod.get("automountServiceAccountToken") is not False:
            text = "its pods hold a token of Kubernetes: set automountServiceAccountToken to false."
            yield Finding("security", workload.name, text)


def _container_faults(pod: Object, container: Object) -> Iterator[str]:
    def said(name: str) -> Any:
        own = at(container, "securityContext", name)
        return own if own is not None else at(pod, "securityContext", name)

    if said("runAsNonRoot") is not True or said("runAsUser") in (None, 0):
        yield "may run as root: set runAsNonRoot and runAsUser"
    if at(said("seccompProfile"), "type") not in _SECCOMP:
        yield "has no seccomp profile"
    own = container.get("securityContext", {})
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "may become another user: set allowPrivilegeEscalation to false"
    if "ALL" not in (at(own, "capabilities", "drop") or []) or at(own, "capabilities", "add"):
        yield "keeps capabilities: drop ALL and add none"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "writes to its root: set readOnlyRootFilesystem"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "has a port of its node"


def digests(rendered: Rendered) -> Iterator[Finding]:
    """Images by a tag, which means other bytes tomorrow."""
    for one in rendered.objects:
        for path, text in strings({key: one[key] for key in one if key != "metadata"}):
            image = path[-1:] == ("image",) or path[-2:] == ("image", "reference")
            if image and not _DIGEST.fullmatch(text):
                yield Finding("digest", name_of(one), f"{text} is no image by digest.")


def secrets(rendered: Rendered) -> Iterator[Finding]:
    """Secrets that are said and not named."""
    for one in rendered.kind("Secret"):
        text = "a Secret lies in a repository: make it in the cluster and name it."
        yield Finding("secret", name_of(one), text)
    for one in rendered.kind("ConfigMap"):
        for path, text in strings({"data": one.get("data", {})}):
            if _SECRET.search(path[-1]) or _says_one(text):
                yield Finding("secret", name_of(one), f"{path[-1]} spells out a secret.")
    for workload in rendered.workloads:
        for container in workload.containers:
            for variable in container.get("env", []):
                value = variable.get("value") or ""
                if (_SECRET.search(variable["name"]) and value) or _says_one(value):
                    text = f"{variable['name']} spells out a secret: take it from a Secret."
                    yield Finding("secret", workload.name, text)


def _says_one(text: str) -> bool:
    try:
        without_secrets(text)
    except PydanticCustomError:
        return True
    return any(not value.startswith("${") for value in _SAID.findall(text))
