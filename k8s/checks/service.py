"""The service as it is started: where it writes, what it is told, who asks it, how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from colisten.experiments.plan import FOLDER as EXPOSURES
from colisten.serving.door import LOCAL, PROBES
from colisten.serving.drain import LAST_RESORT_SECONDS
from k8s.checks.command import Command, services
from k8s.checks.finding import Finding
from k8s.checks.rendered import Object, Rendered, at, name_of

READY = "/readyz"
TMP = "/tmp"  # noqa: S108, where the images have HOME and TMPDIR
# What BentoML's arbiter takes to end after its workers have.
_ARBITER_SECONDS = 5


def home(rendered: Rendered) -> Iterator[Finding]:
    """A home that is on no volume, or exposures that nobody could write or keep."""
    for command in services(rendered):
        name, out = command.workload.name, command.options.get("--out")
        if out is None:
            yield Finding("home", name, "--out names no home.")
            continue
        lies = command.volume_of(out)
        if lies is None or not PurePosixPath(out).is_relative_to(lies[0]["mountPath"]):
            yield Finding("home", name, f"{out} lies on no volume: the root is read-only.")
            continue
        stored = "--store" in command.options
        if not stored and "emptyDir" in lies[1]:
            text = f"{out} is empty when a pod starts, and no --store fills it."
            yield Finding("home", name, text)
        if stored and _read_only(*lies):
            yield Finding("home", name, f"{out} mirrors a store and is read-only.")
        settings = command.settings
        if settings is not None and settings.serving.exposures:
            shown = command.volume_of(f"{out}/{EXPOSURES}")
            if shown is None or _read_only(*shown):
                yield Finding("home", name, f"{out}/{EXPOSURES} cannot be written.")
            elif "emptyDir" in shown[1]:
                text = f"{out}/{EXPOSURES} goes with its pod: mount a claim there."
                yield Finding("home", name, text)
        if settings is not None and settings.serving.tower == "triton":
            where = settings.triton.repository or f"{out}/triton/models"
            models = command.volume_of(where)
            if models is None or at(models[1], "persistentVolumeClaim") is None:
                yield Finding("home", name, f"{where} is on no claim that Triton reads too.")
        temporary = command.volume_of(TMP)
        if temporary is None or _read_only(*temporary):
            yield Finding("home", name, f"{TMP} cannot be written, and releases are copied there.")


def probes(rendered: Rendered) -> Iterator[Finding]:
    """Probes of ports and paths that nobody answers, and of the wrong ones for what they decide."""
    for workload in rendered.workloads:
        for container in workload.containers:
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = at(container, kind, "httpGet")
                if asked is not None and workload.port(asked["port"]) is None:
                    text = f"{kind} asks port {asked['port']}, which no container has."
                    yield Finding("probe", workload.name, text)
    for command in services(rendered):
        name, container = command.workload.name, command.container
        listens = int(command.options.get("--port", 3000))
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = at(container, kind, "httpGet")
            if asked is None:
                yield Finding("probe", name, f"there is no {kind}.")
                continue
            if command.workload.port(asked["port"]) not in (listens, None):
                text = f"{kind} asks port {asked['port']}; the service listens on {listens}."
                yield Finding("probe", name, text)
            if asked["path"] not in PROBES:
                text = f"{kind} asks {asked['path']}, which wants a token; {sorted(PROBES)} do not."
                yield Finding("probe", name, text)
            elif (asked["path"] == READY) != (kind == "readinessProbe"):
                text = f"{kind} asks {asked['path']}: a pod is ended for what others have lost."
                if kind == "readinessProbe":
                    text = f"{kind} asks {asked['path']}, which says nothing of {READY}."
                yield Finding("probe", name, text)
        settings, alive = command.settings, container.get("livenessProbe")
        if settings is not None and alive is not None:
            patience = alive.get("periodSeconds", 10) * alive.get("failureThreshold", 3)
            if patience <= settings.serving.hang_seconds:
                text = (
                    f"livenessProbe ends a pod after {patience} s, before a worker that hangs is "
                    f"replaced (serving.hang_seconds, {settings.serving.hang_seconds:g})."
                )
                yield Finding("probe", name, text)


def grace(rendered: Rendered) -> Iterator[Finding]:
    """Ends that Kubernetes cuts short."""
    for command in services(rendered):
        settings, pod = command.settings, command.workload.pod
        if settings is None:
            continue
        serving = settings.serving
        slept = at(command.container, "lifecycle", "preStop", "sleep", "seconds") or 0
        needed = (
            slept
            + serving.drain_seconds
            + serving.end_seconds
            + LAST_RESORT_SECONDS
            + _ARBITER_SECONDS
        )
        given = pod.get("terminationGracePeriodSeconds", 30)
        if given < needed:
            text = f"it is killed after {given} s and may take {needed:g}: preStop, drain, end."
            yield Finding("grace", command.workload.name, text)


def listened(rendered: Rendered) -> Iterator[Finding]:
    """Ports that containers name and the service does not listen on, or not for other machines."""
    for command in services(rendered):
        name, settings = command.workload.name, command.settings
        expected = {int(command.options.get("--port", 3000))}
        if command.options.get("--host", "127.0.0.1") in LOCAL:
            yield Finding("port", name, "--host is this pod alone: set 0.0.0.0.")
        if settings is not None and settings.serving.operator_port is not None:
            expected.add(settings.serving.operator_port)
            if settings.serving.operator_host in LOCAL:
                yield Finding("port", name, "serving.operator_host is this pod alone.")
        named = {int(port["containerPort"]) for port in command.container.get("ports", [])}
        if named != expected:
            text = f"it names the ports {sorted(named)} and listens on {sorted(expected)}."
            yield Finding("port", name, text)


def hosts(rendered: Rendered) -> Iterator[Finding]:
    """Names by which a Gateway or a neighbour asks, and that the service refuses (421)."""
    for command in services(rendered):
        settings = command.settings
        if settings is None or settings.serving.hosts is None:
            continue
        taken = LOCAL.union(settings.serving.hosts)
        for one, name in _names(rendered, command):
            if name not in taken:
                text = f"{name} is none of serving.hosts, and its requests are 421."
                yield Finding("host", name_of(one), text)


def _names(rendered: Rendered, command: Command) -> Iterator[tuple[Object, str]]:
    """Each Service and route that leads to a container, and the names that it is asked by."""
    for one in rendered.kind("Service"):
        if one["spec"].get("clusterIP") == "None":
            continue  # asked by address, pod by pod
        if command.workload in rendered.behind(one):
            yield one, f"{one['metadata']['name']}.{command.workload.namespace}.svc"
    for one in rendered.kind("HTTPRoute"):
        for name in one["spec"].get("hostnames", []):
            yield one, name


def _read_only(mount: Mapping[str, Any], volume: Mapping[str, Any]) -> bool:
    return bool(mount.get("readOnly")) or not {"emptyDir", "persistentVolumeClaim"} & set(volume)
