"""What pipelines are compiled for is what the service reads: one store, one index, same images."""

from __future__ import annotations

from collections.abc import Iterator

from colisten.settings.cluster import Cluster
from k8s.checks.command import commands, publishing_of, services
from k8s.checks.finding import Finding
from k8s.checks.memory import cluster_memory
from k8s.checks.rendered import Rendered, strings

WHERE = "cluster.yaml"
"""What findings of it name."""


def published(rendered: Rendered, cluster: Cluster) -> Iterator[Finding]:
    """Where cluster.yaml and what is rendered say two things."""
    publishing = publishing_of(rendered)
    for command in commands(rendered):
        store = command.options.get("--store")
        if store is not None and store != cluster.home:
            text = f"publishes to {cluster.home}, and {command.workload.name} reads {store}."
            yield Finding("store", WHERE, text)
    images = {
        text for one in rendered.objects for path, text in strings(one) if path[-1:] == ("image",)
    }
    for target, image in cluster.images.items():
        name = image.partition("@")[0]
        others = {one for one in images if one.partition("@")[0] == name} - {image}
        for other in sorted(others):
            yield Finding("store", WHERE, f"{target} is {image}, and elsewhere {other}.")
    for command in services(rendered):
        settings = command.settings
        if publishing is None or settings is None:
            continue
        if (settings.index.backend, settings.index.uri) != (
            publishing.index.backend,
            publishing.index.uri,
        ):
            text = f"publishes to another index than {command.workload.name} searches."
            yield Finding("store", WHERE, text)
    if publishing is not None:
        yield from cluster_memory(cluster, publishing)
    yield from _there(rendered, cluster)


def _there(rendered: Rendered, cluster: Cluster) -> Iterator[Finding]:
    server = cluster.kubeflow
    if server is None:
        return
    for volume in cluster.volumes:
        if rendered.find("PersistentVolumeClaim", volume.claim, server.namespace) is None:
            text = f"there is no claim {volume.claim} in {server.namespace}."
            yield Finding("volume", WHERE, text)
    account = server.service_account
    if account is not None and not rendered.find("ServiceAccount", account, server.namespace):
        yield Finding("rights", WHERE, f"there is no account {account} in {server.namespace}.")
    for step in cluster.steps:
        job = cluster.trainjob_of(step)
        if job is None or job.runtime_kind != "TrainingRuntime":
            continue  # of the whole cluster: somebody else's
        if rendered.find(job.runtime_kind, job.runtime, server.namespace) is None:
            yield Finding("store", WHERE, f"{step}: there is no runtime {job.runtime}.")
