"""Limits of memory, held against what is loaded within them."""

from __future__ import annotations

from collections.abc import Iterator

from colisten.limits import bytes_of
from colisten.settings.cluster import DUCKDB_SHARE, Cluster, Placed, Resources
from colisten.settings.tree import Settings
from k8s.checks.command import commands, services
from k8s.checks.finding import Finding
from k8s.checks.rendered import Rendered, at

TITLES = "colisten/titles"
"""Annotation of the service's pods: how many titles its memory is sized for."""
_MIB = 1 << 20
# The service without a catalogue: the process that starts workers, and a worker. A test measures.
ARBITER_BYTES, WORKER_BYTES = 256 * _MIB, 450 * _MIB
# docs/architecture.md: an item's vector has 965 numbers of 4 bytes with default settings. It is
# held as it is, turned for pruned search (a third more, docs/serving.md), and as history vector.
_TITLE_BYTES = int(965 * 4 * (1 + 1 / 3 + 1))
# A release is taken up beside the one that answers.
_RELEASES = 2
# "DuckDB needs at least 125 MB of memory per thread" (DuckDB's guide on environments).
_THREAD_BYTES = 125 * 10**6
# Feast, Arrow and Python, beside what DuckDB holds.
_BESIDE_BYTES = 500 * _MIB


def memory(rendered: Rendered) -> Iterator[Finding]:
    """Limits that are not there, that are below requests, or below what a container loads."""
    for workload in rendered.workloads:
        for container in workload.containers:
            asked = at(container, "resources", "requests", "memory")
            limit = at(container, "resources", "limits", "memory")
            if limit is None or asked is None:
                text = f"{container['name']} has no request or no limit of memory."
                yield Finding("memory", workload.name, text)
            elif bytes_in(asked) > bytes_in(limit):
                text = f"{container['name']} requests {asked} and may have {limit}."
                yield Finding("memory", workload.name, text)
    served = services(rendered)
    for command in served:
        limit = at(command.container, "resources", "limits", "memory")
        titles = command.workload.annotations.get(TITLES)
        if titles is None:
            text = f"no annotation {TITLES} says how many titles its memory is for."
            yield Finding("memory", command.workload.name, text)
        elif limit is not None:
            needed = service_bytes(int(titles), int(command.options.get("--workers", 1)))
            if bytes_in(limit) < needed:
                text = f"{titles} titles need {needed >> 20} MiB, and its limit is {limit}."
                yield Finding("memory", command.workload.name, text)
    for command in commands(rendered):
        limit = at(command.container, "resources", "limits", "memory")
        if command not in served and command.computes and limit is not None:
            settings = command.settings or Settings()
            if (least := duckdb_bytes(settings)) > bytes_in(limit):
                text = f"DuckDB and what is beside it need {least >> 20} MiB; its limit is {limit}."
                yield Finding("memory", command.workload.name, text)


def cluster_memory(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """Pods of steps whose limit is below what DuckDB is told or needs."""
    pods: dict[str, Placed] = {"pod": cluster.pod}
    pods |= {f"steps.{name}": cluster.pod_of(name) for name in cluster.steps}
    said = "memory_limit" in settings.model_fields_set
    for name, pod in pods.items():
        given = pod.limits.memory_bytes
        if (least := duckdb_bytes(settings)) > given:
            text = f"{name}: DuckDB and what is beside it need {least >> 20} MiB of its limit."
            yield Finding("memory", "cluster.yaml", text)
        if said and bytes_of(settings.memory_limit) > given * DUCKDB_SHARE:
            text = f"{name}: memory_limit {settings.memory_limit} is over half of its limit."
            yield Finding("memory", "cluster.yaml", text)


def service_bytes(titles: int, workers: int) -> int:
    """What the service needs for a catalogue of so many titles."""
    return ARBITER_BYTES + workers * (WORKER_BYTES + _RELEASES * titles * _TITLE_BYTES)


def duckdb_bytes(settings: Settings) -> int:
    """What a container needs whose DuckDB has so many threads: it gets a share of the limit."""
    least = settings.threads * _THREAD_BYTES
    return int(max(least / DUCKDB_SHARE, least + _BESIDE_BYTES))


def bytes_in(quantity: str) -> int:
    """Bytes of what Kubernetes writes as 2Gi."""
    return Resources(cpu="1", memory=str(quantity)).memory_bytes
