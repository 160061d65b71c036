"""What accounts may ask of Kubernetes, held against what the code asks."""

from __future__ import annotations

from collections.abc import Iterator

from k8s.checks.finding import Finding
from k8s.checks.rendered import Rendered, name_of

CALLS = {
    ("trainer.kubeflow.org", "trainjobs"): {"create", "get", "patch", "delete"},
    ("", "pods"): {"list"},
    ("", "pods/log"): {"get"},
}
"""What a step asks that has a TrainJob trained: components/cluster_jobs.py and its neighbours,
where a test finds each call. Nothing else of ours asks Kubernetes anything."""


def rights(rendered: Rendered) -> Iterator[Finding]:
    """Rules that allow what nobody asks, or all; bindings of what is not there."""
    for one in rendered.kind("ClusterRole", "ClusterRoleBinding"):
        yield Finding("rights", name_of(one), "nothing here asks beyond a namespace.")
    allowed: dict[tuple[str, str], set[str]] = {}
    for role in rendered.kind("Role"):
        for rule in role.get("rules") or ():
            for group in rule.get("apiGroups", ()):
                for resource in rule.get("resources", ()):
                    verbs = set(rule["verbs"])
                    allowed.setdefault((group, resource), set()).update(verbs)
                    if "*" in {group, resource, *verbs}:
                        text = f"{group}/{resource} {sorted(verbs)} allows what nobody asks."
                        yield Finding("rights", name_of(role), text)
                    elif beyond := verbs - CALLS.get((group, resource), set()):
                        text = f"nobody asks to {', '.join(sorted(beyond))} {resource}."
                        yield Finding("rights", name_of(role), text)
    for (group, resource), verbs in CALLS.items() if allowed else ():
        if missing := verbs - allowed.get((group, resource), set()) - {"*"}:
            text = f"steps {', '.join(sorted(missing))} {resource}, which no Role allows."
            yield Finding("rights", "Role", text)
    for binding in rendered.kind("RoleBinding"):
        space, reference = binding["metadata"].get("namespace"), binding["roleRef"]
        if rendered.find(reference["kind"], reference["name"], space) is None:
            yield Finding("rights", name_of(binding), f"there is no {reference['name']}.")
        for subject in binding.get("subjects", ()):
            found = rendered.find(subject["kind"], subject["name"], subject.get("namespace"))
            if found is None:
                yield Finding("rights", name_of(binding), f"there is no {subject['name']}.")
