"""podman and buildah on storage of our own: what this user keeps in theirs is neither seen nor
changed, and removing one folder removes everything."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supply.image_locks import IMAGES

NEEDED = ("buildah", "podman", "runc", "conmon", "strip")


@dataclass(frozen=True)
class Containers:
    """Storage in a folder, and the commands on it.

    Attributes:
        folder: Made where it is not there; its path is short enough for sockets below it.
    """

    folder: Path

    def environment(self) -> dict[str, str]:
        """Variables by which podman and buildah find the storage, and how they run things."""
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        storage = self.folder / "storage.conf"
        text = (
            f'[storage]\ndriver = "overlay"\n'
            f'graphroot = "{self.folder / "storage"}"\nrunroot = "{self.folder / "run"}"\n'
        )
        # Others may be reading it.
        if not storage.exists() or storage.read_text() != text:
            storage.write_text(text)
        return {
            **os.environ,
            "CONTAINERS_CONF": str(IMAGES / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(storage),
            "BUILDAH_ISOLATION": "chroot",
            "TMPDIR": str(scratch),
        }

    def run(
        self, command: Sequence[str | Path], more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is; its output is kept as text."""
        return subprocess.run(
            command,
            env={**self.environment(), **(more or {})},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def answer(self, *command: str | Path) -> str:
        """What a command prints.

        Raises:
            RuntimeError: It failed; the message ends with its last lines.
        """
        done = self.run(command)
        if done.returncode != 0:
            said = "\n".join(done.stderr.splitlines()[-30:])
            raise RuntimeError(
                f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said}"
            )
        return done.stdout.strip()


def missing_tools(*more: str) -> list[str]:
    """Programs of `NEEDED` and `more` that are not on PATH, where administrators look too."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return [name for name in (*NEEDED, *more) if shutil.which(name, path=path) is None]


def cache_folder() -> Path:
    """Where images, wheels and the base are kept between builds."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "colisten" / "images"
