"""Containers of the built images, as a cluster would hold them: read-only, nobody, alone."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from supply.containers import Containers

USER = 65532
_SYS_ADMIN = 21
HELD = (
    "--read-only",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    f"--user={USER}:{USER}",
)


def refused_here() -> str | None:
    """What this machine does not let us do that containers take; None where all is granted."""
    if os.geteuid() != 0:
        return "containers with a network, a user and limits of their own need root here"
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    if not int(status["CapEff"], 16) >> _SYS_ADMIN & 1:
        return "this process may not mount"
    apart = ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "true"]
    if subprocess.run(apart, capture_output=True, check=False).returncode != 0:
        return "no namespaces are to be had"
    groups = Path("/sys/fs/cgroup")
    probe = (groups / "memory" if (groups / "memory").is_dir() else groups) / uuid4().hex
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        return f"no control group can be made ({error.strerror})"
    return None


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
