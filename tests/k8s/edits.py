"""Changes of what is rendered, each with the check that is to find it and what that says."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from k8s.checks.rendered import Rendered

POD = ("spec", "template", "spec")
SERVING = (*POD, "containers", 0)
DELETED = object()


@dataclass(frozen=True)
class Edit:
    """A change of one object of the production overlay.

    Attributes:
        kind: Its kind.
        name: How its name begins.
        path: What is changed in it; an empty one removes the object.
        value: To what.
    """

    kind: str
    name: str
    path: tuple[str | int, ...] = ()
    value: Any = DELETED

    def made(self, objects: Rendered) -> Rendered:
        """The objects, this one changed."""
        changed: list[Any] = copy.deepcopy(list(objects.objects))
        one = next(
            each
            for each in changed
            if each["kind"] == self.kind and each["metadata"]["name"].startswith(self.name)
        )
        if not self.path:
            changed.remove(one)
            return Rendered(tuple(changed))
        *way, last = self.path
        for step in way:
            one = one[step]
        if self.value is DELETED:
            del one[last]
        elif isinstance(self.value, Callable):  # type: ignore[arg-type]
            one[last] = self.value(one[last])
        else:
            one[last] = self.value
        return Rendered(tuple(changed))


def without(word: str) -> Callable[[list[str]], list[str]]:
    return lambda words: [one for one in words if not one.startswith(word)]


def said(before: str, after: str) -> Callable[[str], str]:
    return lambda text: text.replace(before, after)


def configured(before: str, after: str) -> Edit:
    """Other settings of the service."""
    return Edit("ConfigMap", "colisten-serving", ("data", "settings.yaml"), said(before, after))


SERVICE, TRITON = ("Deployment", "colisten-serving"), ("Deployment", "colisten-triton")
EDITS: list[tuple[str, str, Edit]] = [
    ("grace", "killed after 20 s", Edit(*SERVICE, (*POD, "terminationGracePeriodSeconds"), 20)),
    ("grace", "killed after 40 s", configured("end_seconds: 10", "end_seconds: 30")),
    (
        "host",
        "other.example is none",
        Edit("HTTPRoute", "colisten", ("spec", "hostnames"), ["other.example"]),
    ),
    (
        "port",
        "has no port web",
        Edit("Service", "colisten-serving", ("spec", "ports", 0, "targetPort"), "web"),
    ),
    (
        "port",
        "has no port 81",
        Edit("HTTPRoute", "colisten", ("spec", "rules", 0, "backendRefs", 0, "port"), 81),
    ),
    (
        "port",
        "listens on",
        Edit(*SERVICE, (*SERVING, "args"), lambda words: [*words, "--port=3009"]),
    ),
    ("port", "this pod alone", Edit(*SERVICE, (*SERVING, "args"), without("--host"))),
    (
        "ingress",
        "lets in everybody",
        Edit("NetworkPolicy", "colisten-triton", ("spec", "ingress", 0, "from")),
    ),
    ("ingress", "denies what no other", Edit("NetworkPolicy", "colisten-default-deny")),
    (
        "metric",
        "nothing records colisten:slow",
        Edit(
            "PrometheusRule",
            "colisten",
            ("spec", "groups", 1, "rules", 0, "expr"),
            "colisten:slow > 1",
        ),
    ),
    (
        "egress",
        "metadata",
        Edit(
            "NetworkPolicy", "colisten-feast", ("spec", "egress", 1, "to", 0, "ipBlock", "except")
        ),
    ),
    ("egress", "to Milvus at", Edit("NetworkPolicy", "colisten-serving-milvus")),
    (
        "egress",
        "to Triton at",
        Edit(
            "NetworkPolicy",
            "colisten-serving-triton",
            ("spec", "egress", 0, "ports", 0, "port"),
            8001,
        ),
    ),
    (
        "egress",
        "to S3 at",
        Edit("NetworkPolicy", "colisten-serving", ("spec", "egress", 1, "ports", 0, "port"), 80),
    ),
    ("egress", "to DNS at", Edit("NetworkPolicy", "colisten-dns")),
    (
        "egress",
        "to OpenTelemetry at",
        Edit(
            *SERVICE,
            (*SERVING, "env"),
            lambda env: [
                *env,
                {"name": "OTEL_TRACES_EXPORTER", "value": "otlp"},
                {
                    "name": "OTEL_EXPORTER_OTLP_ENDPOINT",
                    "value": "http://collector.monitoring.svc:4318",
                },
            ],
        ),
    ),
    ("egress", "leads to nothing", configured("tower: triton", "tower: in_process")),
    (
        "home",
        "goes with its pod",
        Edit(
            *SERVICE,
            (*SERVING, "volumeMounts"),
            lambda mounts: [one for one in mounts if one["name"] != "exposures"],
        ),
    ),
    ("home", "fills it", Edit(*SERVICE, (*SERVING, "args"), without("--store"))),
    (
        "home",
        "releases are copied there",
        Edit(
            *SERVICE,
            (*SERVING, "volumeMounts"),
            lambda mounts: [one for one in mounts if one["mountPath"] != "/tmp"],
        ),
    ),
    ("home", "on no claim", configured("repository: /models", "repository: /home/colisten/m")),
    (
        "probe",
        "a pod is ended for",
        Edit(*SERVICE, (*SERVING, "startupProbe", "httpGet", "path"), "/readyz"),
    ),
    (
        "probe",
        "says nothing of",
        Edit(*SERVICE, (*SERVING, "readinessProbe", "httpGet", "path"), "/livez"),
    ),
    (
        "probe",
        "wants a token",
        Edit(*SERVICE, (*SERVING, "livenessProbe", "httpGet", "path"), "/v1/health"),
    ),
    (
        "probe",
        "before a worker that hangs",
        Edit(*SERVICE, (*SERVING, "livenessProbe", "failureThreshold"), 2),
    ),
    ("probe", "there is no", Edit(*SERVICE, (*SERVING, "startupProbe"))),
    ("replicas", "one server of several", Edit(*TRITON, ("spec", "replicas"), 2)),
    ("replicas", "unload each other's", configured("unload: false", "unload: true")),
    (
        "replicas",
        "one node alone",
        Edit(
            "PersistentVolumeClaim",
            "colisten-exposures",
            ("spec", "accessModes"),
            ["ReadWriteOnce"],
        ),
    ),
    ("volume", "no ServiceAccount", Edit("ServiceAccount", "colisten-serving")),
    (
        "volume",
        "mounted nowhere",
        Edit(*SERVICE, (*SERVING, "volumeMounts"), lambda mounts: mounts[1:]),
    ),
    ("volume", "ConfigMap colisten-store", Edit("ConfigMap", "colisten-store")),
    (
        "digest",
        "colisten/training",
        Edit(
            "TrainingRuntime",
            "colisten-torch",
            (
                "spec",
                "template",
                "spec",
                "replicatedJobs",
                0,
                "template",
                "spec",
                "template",
                "spec",
                "containers",
                0,
                "image",
            ),
            "colisten/training:1",
        ),
    ),
    (
        "digest",
        "milvus",
        Edit("Milvus", "colisten", ("spec", "components", "image"), "milvusdb/milvus:v2.6.4"),
    ),
    ("disruption", "all be drained", Edit("PodDisruptionBudget", "colisten-serving")),
    ("autoscaling", "says replicas", Edit(*SERVICE, ("spec", "replicas"), 3)),
    ("autoscaling", "requests no cpu", Edit(*SERVICE, (*SERVING, "resources", "requests", "cpu"))),
    (
        "autoscaling",
        "there is no",
        Edit("HorizontalPodAutoscaler", "colisten", ("spec", "scaleTargetRef", "name"), "colisten"),
    ),
    (
        "autoscaling",
        "/metrics has no",
        Edit(
            "HorizontalPodAutoscaler",
            "colisten",
            ("spec", "metrics", 1, "pods", "metric", "name"),
            "bentoml_service_request_in_progress",
        ),
    ),
    (
        "memory",
        "100000 titles need",
        Edit(*SERVICE, (*SERVING, "resources", "limits", "memory"), "2Gi"),
    ),
    ("memory", "no limit", Edit(*TRITON, (*SERVING, "resources", "limits", "memory"))),
    ("memory", "and may have", Edit(*TRITON, (*SERVING, "resources", "requests", "memory"), "9Gi")),
    (
        "rights",
        "nobody asks to watch",
        Edit("Role", "colisten-train-jobs", ("rules", 1, "verbs"), ["list", "watch"]),
    ),
    (
        "rights",
        "which no Role allows",
        Edit("Role", "colisten-train-jobs", ("rules", 2, "verbs"), []),
    ),
    (
        "rights",
        "there is no",
        Edit("RoleBinding", "colisten-train-jobs", ("subjects", 0, "name"), "default"),
    ),
    (
        "secret",
        "take it from a Secret",
        Edit(
            *SERVICE, (*SERVING, "env", 0), {"name": "COLISTEN_TOKEN", "value": "0123456789abcdef"}
        ),
    ),
    (
        "secret",
        "publishing.yaml spells",
        Edit(
            "ConfigMap",
            "colisten-publishing",
            ("data", "publishing.yaml"),
            said("${REDIS_PASSWORD}", "hunter2"),
        ),
    ),
    (
        "security",
        "token of Kubernetes",
        Edit(*SERVICE, (*POD, "automountServiceAccountToken"), True),
    ),
    (
        "security",
        "writes to its root",
        Edit(*SERVICE, (*SERVING, "securityContext", "readOnlyRootFilesystem"), False),
    ),
    (
        "security",
        "keeps capabilities",
        Edit(*SERVICE, (*SERVING, "securityContext", "capabilities")),
    ),
    ("security", "seccomp", Edit(*SERVICE, (*POD, "securityContext", "seccompProfile"))),
    (
        "security",
        "hostPath",
        Edit(
            *SERVICE,
            (*POD, "volumes"),
            lambda volumes: [*volumes, {"name": "node", "hostPath": {"path": "/"}}],
        ),
    ),
    (
        "selector",
        "its own pods",
        Edit(*SERVICE, ("spec", "selector", "matchLabels"), {"app": "other"}),
    ),
    (
        "selector",
        "no pod has the labels",
        Edit(
            "NetworkPolicy",
            "colisten-triton",
            ("spec", "ingress", 0, "from", 0, "podSelector", "matchLabels"),
            {"app": "other"},
        ),
    ),
    ("settings", "Unknown setting", configured("drain_seconds", "drain_secs")),
    (
        "settings",
        "nothing of section features",
        Edit(
            "ConfigMap",
            "colisten-serving",
            ("data", "settings.yaml"),
            lambda text: f"{text}features: {{online_store: redis}}\n",
        ),
    ),
    (
        "settings",
        "nobody reads notes.txt",
        Edit("ConfigMap", "colisten-serving", ("data", "notes.txt"), "x"),
    ),
    (
        "settings",
        "the variable COLISTEN_HOMES",
        Edit(
            *SERVICE,
            (*SERVING, "env"),
            lambda env: [*env, {"name": "COLISTEN_HOMES", "value": "/x"}],
        ),
    ),
    (
        "settings",
        "names ${REDIS_PASSWORD}",
        Edit(
            *SERVICE,
            (*SERVING, "env"),
            lambda env: [one for one in env if one["name"] != "REDIS_PASSWORD"],
        ),
    ),
    (
        "settings",
        "over https:// alone",
        configured("https://colisten-milvus", "http://colisten-milvus"),
    ),
]
