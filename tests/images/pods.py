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
        grace: Seconds that it is given to end.
    """

    engine: Engine
    name: str
    url: str
    grace: int

    def podman(self, *words: str) -> str:
        """What podman says."""
        return self.engine.containers.answer("podman", *words)


@contextlib.contextmanager
def played(engine: Engine, home: Path, folder: Path) -> Iterator[Pod]:
    """Start what is rendered on a run's folder.

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
        yield Pod(engine, f"{name}-{container['name']}", f"http://127.0.0.1:{port}", grace)
    finally:
        done = engine.containers.run(["podman", "logs", "--tail=40", f"{name}-{container['name']}"])
        print(done.stdout, done.stderr)
        for words in (
            ("play", "kube", "--down", str(file)),
            ("volume", "rm", "--force", *CLAIMS, settings["metadata"]["name"]),
            ("secret", "rm", "colisten-token"),
        ):
            engine.containers.run(["podman", *words])
