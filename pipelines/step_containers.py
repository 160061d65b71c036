"""Steps of a local run in the images that a cluster runs them in, by Docker or Podman.

kfp's own DockerRunner starts them; what it leaves open is settled here. A step's root is read-only
and its network off, it runs as the user whose folder is written to, it is given the folders of the
run by the paths that they have here, and it fails where its process fails: kfp reads the exit code
of a container that is gone already as success (kubeflow/pipelines#13332).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colisten.components.image import IMAGES
from colisten.errors import ConfigError, PipelineError
from colisten.extras import needs
from colisten.json_files import read_json
from colisten.shown import plain

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LABEL = "colisten.run"
_KILLED = 137


@dataclass(frozen=True)
class StepContainers:
    """How the steps of a run are contained.

    Attributes:
        images: What stands for each image that a component names, as `name@sha256:...`.
        home: Folder that owns the run's results; steps write there, as its owner.
        readable: Folders that steps read.
        network: Of the engine's; "none" reaches nobody.
        memory: Most that a step may take, such as "4g"; None: what there is.
        variables: Names of environment variables that steps are given.
    """

    images: Mapping[str, str]
    home: Path
    readable: tuple[Path, ...] = ()
    network: str = "none"
    memory: str | None = None
    variables: tuple[str, ...] = ()

    def runner(self) -> Any:
        """kfp's runner, told all of this.

        Raises:
            ConfigError: No Docker SDK, or the home is root's.
            PipelineError: No engine answers.
        """
        needs("docker")
        import docker
        from docker.types import Mount
        from kfp import local

        owner = self.home.stat()
        if owner.st_uid == 0:
            raise ConfigError(
                f"{self.home} is root's, and no step runs as root.",
                f"Give it to a user first, as by `chown -R 65532:65532 {self.home}`.",
            )
        try:
            client = docker.from_env()
            client.ping()
            self._remove_left(client)
            client.close()
        except docker.errors.DockerException as error:
            raise PipelineError(
                f"No container engine answers: {error}.",
                "Start Docker, or `podman system service`, and name its socket in DOCKER_HOST.",
            ) from error
        places = [Mount(str(self.home), str(self.home), type="bind")]
        places += [
            Mount(str(place), str(place), type="bind", read_only=True) for place in self.readable
        ]
        return local.DockerRunner(
            user=f"{owner.st_uid}:{owner.st_gid}",
            read_only=True,
            network_mode=self.network,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            tmpfs={"/tmp": "rw,mode=1777"},  # noqa: S108 - the container's own
            mem_limit=self.memory,
            mounts=places,
            environment={name: os.environ[name] for name in self.variables if name in os.environ},
            labels={_LABEL: str(self.home)},
        )

    @contextlib.contextmanager
    def started(self, pipeline: Any, root: Path, before: str) -> Iterator[None]:
        """Let kfp start steps of a pipeline as it should.

        Args:
            pipeline: A function decorated with `dsl.pipeline`; while this lasts its executors name
                the images by digest, which is what kfp's cache goes by too.
            root: Folder of the run, where steps leave their artifacts.
            before: Stands before every line that a step writes.
        """
        from kfp.local import docker_task_handler as handler

        def step(client: Any, image: str, command: list[str], **more: Any) -> int:
            container = client.containers.create(_found(client, image), command, **more)
            try:
                container.start()
                for line in _lines(container.logs(stream=True, follow=True)):
                    print(f"{before}{plain(line)}")
                code = int(container.wait()["StatusCode"])
            finally:
                container.remove(force=True)
            if code == _KILLED:
                print(f"{before}Killed: it took more memory than it was given, or was told to end.")
            print("\n")
            return code

        self._hand_over(root)
        executors = pipeline.pipeline_spec.deployment_spec["executors"]
        contained = [one["container"] for one in executors.values() if "container" in one]
        named = [container["image"] for container in contained]
        former = handler.run_docker_container
        handler.run_docker_container = step
        try:
            for container, name in zip(contained, named, strict=True):
                container["image"] = self.images.get(name, name)
            yield
        finally:
            for container, name in zip(contained, named, strict=True):
                container["image"] = name
            handler.run_docker_container = former

    def _hand_over(self, root: Path) -> None:
        """Make what is mounted, and give it to whom steps run as."""
        owner = self.home.stat()
        for place in (root, root / "runs", root / "workspace"):
            place.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(place, owner.st_uid, owner.st_gid)

    def _remove_left(self, client: Any) -> None:
        """Steps of a run that was killed, which still compute for nobody."""
        left = client.containers.list(all=True, filters={"label": f"{_LABEL}={self.home}"})
        for container in left:
            container.remove(force=True)


def _found(client: Any, image: str) -> Any:
    """An image of the engine's, fetched where it is not there."""
    needs("docker")
    import docker

    try:
        return client.images.get(image)
    except docker.errors.ImageNotFound:
        return client.images.pull(image)


def named_variables(arguments: Mapping[str, object]) -> tuple[str, ...]:
    """Variables that the settings among a pipeline's arguments name as `${VARIABLE}`."""
    found = {name for value in arguments.values() for name in _VARIABLE.findall(str(value))}
    return tuple(sorted(found))


def read_images(file: Path) -> dict[str, str]:
    """What stands for each image that components name, out of what `make images` wrote.

    Raises:
        ConfigError: There is no such file, or an image is missing in it.
    """
    if not file.is_file():
        raise ConfigError(f"No file {file}.", "`make images` writes it.")
    built = read_json(file)["images"]
    by_target = {target: one["reference"] for target, one in built.items()}
    if missing := sorted(set(IMAGES) - set(by_target)):
        raise ConfigError(f"{file} has no image {', '.join(missing)}.", "`make images` makes all.")
    return {name: by_target[target] for target, name in IMAGES.items()}


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Whole lines of what comes in pieces."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace").rstrip() for line in lines)
    if rest:
        yield rest.decode(errors="replace").rstrip()
