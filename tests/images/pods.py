"""The pod of the local overlay, by `podman play kube`."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.images.engine import USER, Engine
from tests.k8s.kubectl import rendered
from tests.serving.conftest import free_port

TOKEN = "a-token-of-the-tests"
CLAIMS = ("colisten-home", "colisten-tmp")


@dataclass(frozen=True)
class Pod:
    """A pod that runs.

    Attributes:
        engine: Whose.
        name: Of its container.
        url: Of its service.
        operators: Of the port for operators.
        grace: Seconds that it is given to end.
    """

    engine: Engine
    name: str
    url: str
    operators: str
    grace: int

    def podman(self, *words: str) -> str:
        """What podman says."""
        return self.engine.containers.answer("podman", *words)

    def state(self, field: str) -> str:
        """A field of its container's state."""
        return self.podman("inspect", self.name, "--format", f"{{{{.State.{field}}}}}")

    def ready(self) -> bool:
        """Whether it is; one that does not listen is not."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@contextlib.contextmanager
def played(engine: Engine, home: Path, folder: Path, *, memory: str | None = None) -> Iterator[Pod]:
    """Start what is rendered on a run's folder; with less memory, where a test fills it.

    Three things are other than rendered: the image's digest, which is ours; the ports, which are
    free ones of this machine and not named, since podman maps no ports within the host's network;
    and the Secret, which is made as podman keeps them.
    """
    objects: list[Any] = json.loads(json.dumps(rendered("overlays/local").objects))
    port, operators = free_port(), free_port()
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    container["image"] = engine.references["serving"]
    del container["ports"]
    if memory is not None:
        container["resources"]["limits"]["memory"] = memory
    container["args"] = [
        f"--port={port}" if word.startswith("--port") else word for word in container["args"]
    ]
    settings = next(
        one for one in objects if one["kind"] == "ConfigMap" and "settings.yaml" in one["data"]
    )
    tree = yaml.safe_load(settings["data"]["settings.yaml"])
    tree["serving"]["operator_port"] = operators
    settings["data"]["settings.yaml"] = yaml.safe_dump(tree)
    file, archive, secret = folder / "pod.yaml", folder / "home.tar", folder / "secret.json"
    file.write_text(yaml.safe_dump_all(objects))
    secret.write_text(json.dumps({"token": base64.b64encode(TOKEN.encode()).decode()}))
    owner = (f"--owner={USER}", f"--group={USER}")
    subprocess.run(["tar", *owner, "-C", str(home), "-cf", str(archive), "."], check=True)
    name = f"{deployment['metadata']['name']}-pod-0"
    try:
        engine.containers.answer("podman", "secret", "create", "colisten-token", secret)
        play = ("podman", "play", "kube", "--start=false", "--network=host")
        engine.containers.answer(*play, file)
        engine.containers.answer("podman", "volume", "import", CLAIMS[0], archive)
        engine.containers.answer("podman", "pod", "start", name)
        grace = pod["terminationGracePeriodSeconds"]
        here = "http://127.0.0.1"
        named = f"{name}-{container['name']}"
        yield Pod(engine, named, f"{here}:{port}", f"{here}:{operators}", grace)
    finally:
        done = engine.containers.run(["podman", "logs", "--tail=40", f"{name}-{container['name']}"])
        print(done.stdout, done.stderr)
        for words in (
            ("play", "kube", "--down", str(file)),
            ("volume", "rm", "--force", *CLAIMS, settings["metadata"]["name"]),
            ("secret", "rm", "colisten-token"),
        ):
            engine.containers.run(["podman", *words])
