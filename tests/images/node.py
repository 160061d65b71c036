"""Every pod of the overlay `local-stores`, by `podman play kube` on one node's own network."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from k8s.checks.rendered import at
from tests.images.engine import USER, Engine
from tests.images.pods import TOKEN, Pod
from tests.k8s.kubectl import rendered
from tests.serving.conftest import free_port

PASSWORD = "a-password-of-the-tests"
SECRETS = {"colisten-token": ("token", TOKEN), "colisten-redis": ("password", PASSWORD)}
PARTS = {"redis": "redis", "triton": "triton-cpu", "milvus": "milvus", "serving": "serving"}
"""Deployments, by what follows `colisten-` in their names, each with the target of its image."""
NAMED = (3000, 3001, 6379, 8000, 8001, 8002, 9091, 19530, 2379, 2380)
"""Ports that the manifests say."""
# And those of Milvus's own parts, by the variables that say them.
INNER = (
    *("PROXY_INTERNALPORT", "ROOTCOORD_PORT", "QUERYCOORD_PORT", "QUERYNODE_PORT"),
    *("INDEXNODE_PORT", "DATACOORD_PORT", "DATANODE_PORT"),
)
HERE = "http://127.0.0.1"
_FILL = "colisten-fill"


@dataclass(frozen=True)
class Node:
    """Pods that were made of what is rendered, and what runs in them.

    Attributes:
        engine: Whose.
        deployments: By part, as they were played.
        ports: Where this machine has what the manifests say.
        service: The pod that answers.
        fill: The file of the pod that fills both stores.
    """

    engine: Engine
    deployments: Mapping[str, Any]
    ports: Mapping[int, int]
    service: Pod
    fill: Path

    def podman(self, *words: str | Path) -> str:
        """What podman says."""
        return self.engine.containers.answer("podman", *words)

    def inside(self, part: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in a part's container, run to its end."""
        return self.engine.containers.run(["podman", "exec", container_of(part), *words])

    def start(self, part: str) -> None:
        """Start a part's pod."""
        self.podman("pod", "start", pod_of(part))

    def stop(self, part: str) -> None:
        """Have a part's pod end as Kubernetes would."""
        self.podman("pod", "stop", "--time=30", pod_of(part))

    def well(self, part: str) -> bool:
        """What the part's readinessProbe is answered, asked as the kubelet asks it."""
        (container,) = self.deployments[part]["spec"]["template"]["spec"]["containers"]
        probe = container["readinessProbe"]
        if (words := at(probe, "exec", "command")) is not None:
            return self.inside(part, *words).returncode == 0
        asked = probe["httpGet"]
        port = self.ports[_number(part, asked["port"])]
        try:
            url = f"{HERE}:{port}{asked['path']}"
            return httpx.get(url, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def filled(self) -> str:
        """Run the job that brings both stores what is live; its output."""
        name = f"{_FILL}-fill"
        try:
            self.podman("play", "kube", "--network=host", self.fill)
            ended = self.podman("wait", name)
            done = self.engine.containers.run(["podman", "logs", name])
            assert ended == "0", done.stdout[-2000:] + done.stderr[-2000:]
            return done.stdout + done.stderr
        finally:
            self.engine.containers.run(["podman", "play", "kube", "--down", self.fill])


def container_of(part: str) -> str:
    """The name of a part's container."""
    return f"{pod_of(part)}-{part}"


def pod_of(part: str) -> str:
    """The name of a part's pod."""
    return f"colisten-{part}-pod-0"


def _number(part: str, named: str) -> int:
    """The number of a part's port, as it is rendered."""
    name = f"Deployment/colisten-{part}"
    (one,) = [one for one in rendered("overlays/local-stores").workloads if one.name == name]
    return one.ports[named]


@contextlib.contextmanager
def played_node(engine: Engine, home: Path, folder: Path) -> Iterator[Node]:
    """Start everything but the service, which waits until somebody starts it.

    Other than rendered are the images' digests, which are ours; ports, which are free ones of this
    machine and not named, since podman maps none within the host's network; Services, whose names
    nobody knows there, not even by hostAliases; and Secrets, which are made as podman keeps them.
    """
    ports = {number: free_port() for number in NAMED}
    objects = [_moved(one, ports) for one in rendered("overlays/local-stores").objects]
    deployments = {
        one["metadata"]["name"].removeprefix("colisten-"): one
        for one in objects
        if one["kind"] == "Deployment"
    }
    for part, deployment in deployments.items():
        _placed(deployment["spec"]["template"]["spec"], engine.references[PARTS[part]])
    (milvus,) = deployments["milvus"]["spec"]["template"]["spec"]["containers"]
    milvus["env"] += [{"name": name, "value": str(free_port())} for name in INNER]
    milvus["env"].append({"name": "ETCD_ENDPOINTS", "value": f"localhost:{ports[2379]}"})
    file, fill = folder / "node.yaml", folder / "fill.yaml"
    played = ("PersistentVolumeClaim", "ConfigMap", "Deployment")
    file.write_text(yaml.safe_dump_all([one for one in objects if one["kind"] in played]))
    fill.write_text(yaml.safe_dump_all(_job(objects, engine.references["serving"])))
    serving = deployments["serving"]["spec"]["template"]["spec"]
    urls = (f"{HERE}:{ports[3000]}", f"{HERE}:{ports[3001]}")
    grace = serving["terminationGracePeriodSeconds"]
    service = Pod(engine, container_of("serving"), *urls, grace)
    node = Node(engine, deployments, ports, service, fill)
    try:
        _secrets(node, folder)
        node.podman("play", "kube", "--start=false", "--network=host", file)
        _imported(node, "colisten-home", home, folder)
        (folder / "empty").mkdir()
        _imported(node, "colisten-triton-models", folder / "empty", folder)
        for part in ("redis", "triton", "milvus"):
            node.start(part)
        yield node
    finally:
        _ended(node, objects, file)


def _moved(node: Any, ports: Mapping[int, int]) -> Any:
    """Manifests with other ports, wherever a text says one, and Services that are this machine."""
    if isinstance(node, str):
        node = re.sub(r"colisten-[a-z]+:(?=\d)", "127.0.0.1:", node)
        said = "|".join(map(str, ports))
        pattern = rf"(?<![\w.])({said})(?!\w)"
        return re.sub(pattern, lambda match: str(ports[int(match[1])]), node)
    if isinstance(node, dict):
        return {name: _moved(value, ports) for name, value in node.items()}
    return [_moved(value, ports) for value in node] if isinstance(node, list) else node


def _placed(pod: dict[str, Any], image: str) -> None:
    (container,) = pod["containers"]
    container["image"] = image
    container.pop("ports", None)


def _job(objects: list[Any], image: str) -> list[Any]:
    """The CronJob's pod, which podman knows by itself alone, and the file that it reads."""
    job = next(one for one in objects if one["kind"] == "CronJob")
    template = job["spec"]["jobTemplate"]["spec"]["template"]
    pod = template["spec"]
    _placed(pod, image)
    metadata = {"name": _FILL, "labels": template["metadata"]["labels"]}
    read = {at(one, "configMap", "name") for one in pod["volumes"]}
    files = [
        one for one in objects if one["kind"] == "ConfigMap" and one["metadata"]["name"] in read
    ]
    return [*files, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}]


def _secrets(node: Node, folder: Path) -> None:
    for name, (key, value) in SECRETS.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps({key: base64.b64encode(value.encode()).decode()}))
        node.podman("secret", "create", name, file)


def _imported(node: Node, claim: str, content: Path, folder: Path) -> None:
    """A claim with a folder's content, whose owner is the pods' user."""
    archive = folder / f"{claim}.tar"
    owner = (f"--owner={USER}", f"--group={USER}")
    subprocess.run(["tar", *owner, "-C", content, "-cf", archive, "."], check=True)
    node.podman("volume", "import", claim, archive)


def _ended(node: Node, objects: list[Any], file: Path) -> None:
    run = node.engine.containers.run
    for part in PARTS:
        done = run(["podman", "logs", "--tail=25", container_of(part)])
        print(part, done.stdout[-4000:], done.stderr[-4000:])
    volumes = [
        one["metadata"]["name"]
        for one in objects
        if one["kind"] in ("PersistentVolumeClaim", "ConfigMap")
    ]
    for words in (
        ("play", "kube", "--down", str(file)),
        ("volume", "rm", "--force", *volumes),
        ("secret", "rm", *SECRETS),
    ):
        run(["podman", *words])
