"""What is found, but for a metric of the autoscaler that the service is still to export."""

from __future__ import annotations

from colisten.settings.cluster import Cluster
from k8s.checks.finding import Finding
from k8s.checks.rendered import Rendered
from k8s.checks.run import findings
from k8s.checks.scaling import exported

_TO_COME = "colisten_requests_in_progress"


def unexpected(objects: Rendered, cluster: Cluster | None = None) -> list[Finding]:
    """All findings; once /metrics has that metric, without exception."""
    found = findings(objects, cluster)
    if _TO_COME in exported():
        return found
    return [one for one in found if one.text != f"/metrics has no {_TO_COME}."]
