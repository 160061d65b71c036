"""How a Triton server is started on a model repository: the image's, or the one from PyPI."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from colisten.errors import ConfigError
from colisten.files import write_aside

HOST = "127.0.0.1"
_BACKENDS = "backends"


@dataclass(frozen=True)
class Ports:
    """Where a server listens on loopback."""

    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002


@dataclass(frozen=True)
class StartCommand:
    """A command line and what its environment must say besides."""

    arguments: tuple[str, ...]
    variables: dict[str, str]

    def shell(self) -> str:
        """As one would type it."""
        from shlex import join, quote

        path = os.environ.get("PATH", "")
        words = []
        for name, value in self.variables.items():
            own = value.removesuffix(path) if name == "PATH" and path else value
            words.append(f"{name}={quote(own)}" + ("" if own == value else '"$PATH"'))
        return " ".join([*words, join(self.arguments)])


def common_arguments(repository: Path, ports: Ports, host: str = HOST) -> tuple[str, ...]:
    """What every server is told: this repository, models when they are asked for, loopback."""
    return (
        f"--model-repository={repository}",
        # Without it the server loads all, and no release can be loaded or left.
        "--model-control-mode=explicit",
        f"--http-address={host}",
        f"--grpc-address={host}",
        f"--metrics-address={host}",
        f"--http-port={ports.http}",
        f"--grpc-port={ports.grpc}",
        f"--metrics-port={ports.metrics}",
        # A pool that no GPU needs ends the build from PyPI as it warms a model up.
        "--pinned-memory-pool-byte-size=0",
        "--cuda-memory-pool-byte-size=0:0",
    )


def image_command(repository: Path, ports: Ports | None = None) -> StartCommand:
    """Inside NVIDIA's image, which has both backends; listens on every address of its own."""
    everywhere = "0.0.0.0"  # noqa: S104, of a container
    arguments = common_arguments(repository, ports or Ports(), everywhere)
    return StartCommand(("tritonserver", *arguments), {})


def package_command(repository: Path, work: Path, ports: Ports | None = None) -> StartCommand:
    """The server that the package nvidia-pytriton carries, for one machine without a container.

    Args:
        repository: Folder of models.
        work: Where its backend directory is put together.
        ports: Where it listens on 127.0.0.1.

    Raises:
        ConfigError: The package is not installed, or not for this Python.
    """
    server = _packaged()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        raise ConfigError(
            f"nvidia-pytriton has no backend for Python {version}.", "Use Triton's image."
        )
    backends = work / _BACKENDS
    if not (backends / "python" / stub.name).is_file():
        with write_aside(backends) as aside:
            shutil.copytree(server / "backends" / "python", aside / "python")
            shutil.copy2(stub, aside / "python" / stub.name)
    arguments = common_arguments(repository, ports or Ports())
    return StartCommand(
        (str(server / "bin" / "tritonserver"), *arguments, f"--backend-directory={backends}"),
        {
            # Models run in the environment whose python is found first.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "LD_LIBRARY_PATH": str(server.parents[1] / "nvidia_pytriton.libs"),
        },
    )


def start_hints(repository: Path, work: Path) -> Sequence[StartCommand]:
    """Every way that there is here: the image's, and the package's where it is installed."""
    hints = [image_command(repository)]
    if find_spec("pytriton") is not None:
        hints.append(package_command(repository, work))
    return hints


def _packaged() -> Path:
    spec = find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "The package nvidia-pytriton, which carries a Triton server, is not installed.",
            "Use Triton's image, or pip install nvidia-pytriton==0.5.7.",
        )
    return Path(spec.origin).parent / "tritonserver"
