"""Every check, by the name that its findings bear."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from colisten.settings.cluster import Cluster
from k8s.checks.configuration import settings, variables
from k8s.checks.finding import Finding
from k8s.checks.memory import memory
from k8s.checks.network import egress, ingress
from k8s.checks.pods import digests, secrets, security
from k8s.checks.publishing import published
from k8s.checks.queries import CHECK as METRIC
from k8s.checks.queries import queries
from k8s.checks.references import ports, selectors, volumes
from k8s.checks.rendered import Rendered
from k8s.checks.rights import rights
from k8s.checks.scaling import autoscaling, disruption, replicas
from k8s.checks.service import grace, home, hosts, listened, probes

Check = Callable[[Rendered], Iterator[Finding]]

CHECKS: dict[str, tuple[Check, ...]] = {
    "autoscaling": (autoscaling,),
    "digest": (digests,),
    "disruption": (disruption,),
    "egress": (egress,),
    "grace": (grace,),
    "home": (home,),
    "host": (hosts,),
    "ingress": (ingress,),
    "memory": (memory,),
    METRIC: (queries,),
    "port": (ports, listened),
    "probe": (probes,),
    "replicas": (replicas,),
    "rights": (rights,),
    "secret": (secrets,),
    "security": (security,),
    "selector": (selectors,),
    "settings": (settings, variables),
    "volume": (volumes,),
}


def findings(rendered: Rendered, cluster: Cluster | None = None) -> list[Finding]:
    """All that is wrong.

    Args:
        rendered: The manifests.
        cluster: What the pipelines beside them are compiled for; None: nothing is held to it.
    """
    found = {one for checks in CHECKS.values() for check in checks for one in check(rendered)}
    if cluster is not None:
        found.update(published(rendered, cluster))
    return sorted(found)
