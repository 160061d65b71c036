"""Containers of the built images, as a cluster would hold them: read-only, nobody, alone."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from supply.containers import Containers

USER = 65532
HELD = (
    "--read-only",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    f"--user={USER}:{USER}",
)


@dataclass(frozen=True)
class Engine:
    """podman on the storage that the images were built in.

    Attributes:
        containers: The storage.
        references: Of the images, by target.
    """

    containers: Containers
    references: Mapping[str, str]

    def run(
        self, target: str, *command: str, options: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in an image to its end, without a network."""
        line = ["podman", "run", "--rm", "--network=none", *HELD, *options]
        return self.containers.run([*line, self.references[target], *command])

    @contextlib.contextmanager
    def service(self, folder: Path) -> Iterator[str]:
        """An engine's address, as DOCKER_HOST takes it; its socket lies in a folder."""
        address = f"unix://{folder}/podman.sock"
        process = subprocess.Popen(
            ["podman", "system", "service", "--time=0", address],
            env=self.containers.environment(),
            # conmon leaves a file where it stands when a container takes too much memory.
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(200):
                if (folder / "podman.sock").exists():
                    break
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.wait(20)

    @contextlib.contextmanager
    def started(self, target: str, *command: str, options: Sequence[str]) -> Iterator[str]:
        """A container that runs until the end, by name; its log is shown where a test fails."""
        name = f"colisten-test-{uuid4().hex[:8]}"
        line = ["podman", "run", "--detach", f"--name={name}", *HELD, *options]
        self.containers.answer(*line, self.references[target], *command)
        try:
            yield name
        finally:
            done = self.containers.run(["podman", "logs", "--tail=40", name])
            print(done.stdout, done.stderr)
            self.containers.run(["podman", "rm", "--force", "--time=10", name])
