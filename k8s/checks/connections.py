"""Whom pods call, by what they are configured with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from k8s.checks.command import Command, commands, publishing_of, services
from k8s.checks.rendered import Rendered, Workload, at

_PORTS = {"http": 80, "https": 443}
# Where the specification of OpenTelemetry has spans sent when nothing says where.
_OTLP = "http://localhost:4318"


@dataclass(frozen=True)
class Connection:
    """Something that a pod connects to.

    Attributes:
        who: What it is, in a word.
        host: Its name.
        port: Of what is connected to; of its pods, where a Service that is rendered stands before.
        namespace: Its namespace; None for what lies outside the cluster.
        pods: Behind it, where they are rendered.
    """

    who: str
    host: str
    port: int
    namespace: str | None
    pods: tuple[Workload, ...] = ()


def connections(rendered: Rendered) -> Iterator[tuple[Workload, Connection]]:
    """Every connection of every pod that runs `colisten`."""
    for command in commands(rendered):
        for who, address in _addresses(rendered, command):
            yield command.workload, _resolved(rendered, command.workload, who, address)


def _addresses(rendered: Rendered, command: Command) -> Iterator[tuple[str, str]]:
    publishing = publishing_of(rendered)
    redis = publishing is not None and publishing.features.online_store == "redis"
    if publishing is not None and redis and command.computes:
        for part in publishing.features.redis.split(","):
            if "=" not in part:
                yield "Redis", f"redis://{part}"
    if "--store" in command.options:
        said = command.variables
        endpoint = said.get("AWS_ENDPOINT_URL_S3") or said.get("AWS_ENDPOINT_URL")
        region = said.get("AWS_DEFAULT_REGION") or "us-east-1"
        yield "S3", endpoint or f"https://s3.{region}.amazonaws.com"
    settings = command.settings
    serves = command in services(rendered)
    if settings is None or not (serves or command.publishes):
        return
    if settings.index.uri is not None:
        yield "Milvus", settings.index.uri
    if not serves:
        return
    if settings.serving.tower == "triton":
        yield "Triton", settings.triton.url
    if "otlp" in (command.variables.get("OTEL_TRACES_EXPORTER") or ""):
        yield "OpenTelemetry", command.variables.get("OTEL_EXPORTER_OTLP_ENDPOINT") or _OTLP


def _resolved(rendered: Rendered, caller: Workload, who: str, address: str) -> Connection:
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 6379)
    # In the cluster are a Service's short name, and what has `svc` in it; all else is outside.
    match = re.fullmatch(r"([a-z0-9-]+)(?:\.([a-z0-9-]+)\.svc(?:\.[a-z.]+)?)?\.?", host)
    if match is None:
        return Connection(who, host, port, None)
    space = match[2] or caller.namespace
    service = rendered.find("Service", match[1], space)
    if service is None:
        return Connection(who, host, port, space)
    pods = rendered.behind(service)
    for one in at(service, "spec", "ports") or []:
        target = pods[0].port(one.get("targetPort", port)) if pods else None
        if one["port"] == port and target is not None:
            port = target
            break
    return Connection(who, host, port, space, tuple(pods))
