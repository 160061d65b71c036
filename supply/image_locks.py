"""What each image holds of Python packages: a part of requirements.lock, by digest.

A target is named by the extras of colisten that its processes use. What packages ask for beyond
that and never import in them is left out by name, with everything that only it asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "images"
HEAD = "# Made by `make lock`: what of requirements.lock an image holds (docs/images.md).\n"


@dataclass(frozen=True)
class Target:
    """The packages of an image.

    Attributes:
        extras: Of colisten; None where colisten is not in it.
        without: Packages that requirements name and no process of the image imports.
        beside: Packages that colisten's own requirements do not name.
        debian: Packages of Debian beside those of every image.
    """

    extras: tuple[str, ...] | None
    without: frozenset[str]
    beside: tuple[str, ...] = ()
    debian: tuple[str, ...] = ()

    @property
    def locked(self) -> bool:
        """Whether it holds packages of Python."""
        return self.extras is not None or bool(self.beside)


# Feast asks for SQLAlchemy[mypy], a type checker; Milvus Lite is one process on one disk, which is
# no index for containers, and brings faiss; torch asks for setuptools to compile extensions.
NOWHERE = frozenset({"mypy", "milvus-lite", "faiss-cpu", "setuptools", "types-greenlet"})
# Debian 12's, of which packages may ask for more than of the one that resolves.
PYTHON = "3.11.2"

_STEPS = ("feast", "milvus", "redis", "s3", "signing")
TARGETS = {
    "light": Target(_STEPS, NOWHERE, ("kfp",)),
    "training": Target((*_STEPS, "training"), NOWHERE, ("kfp",)),
    "monitoring": Target((*_STEPS, "monitoring"), NOWHERE, ("kfp",)),
    "serving": Target(("serving", "redis", "s3", "triton"), NOWHERE),
}
# Of nvidia-pytriton the server alone runs, which imports nothing; models import ONNX Runtime.
_PYTRITON = frozenset(
    {
        *("tritonclient", "grpcio", "pyzmq", "sh", "typer", "typing-inspect", "wrapt"),
        "importlib-metadata",
    }
)
TRIALS = {
    "redis": Target(None, frozenset(), debian=("redis-server",)),
    "triton-cpu": Target(
        None, _PYTRITON, ("nvidia-pytriton", "onnxruntime"), debian=("libpython3.11",)
    ),
    "milvus": Target(None, frozenset(), ("milvus",)),
}
"""Servers to try manifests with where no registry is within reach; built where they are named."""

LOCKED = {name: one for name, one in (TARGETS | TRIALS).items() if one.locked}
"""Targets that have a lock."""

Requires = Mapping[str, Sequence[str]]
"""What each package asks for, by canonical name, as its metadata says."""


def packages(target: Target, requires: Requires) -> set[str]:
    """Canonical names of all that a target holds, colisten itself left out."""
    own = [] if target.extras is None else [f"colisten[{','.join(target.extras)}]"]
    waiting = [Requirement(line) for line in (*own, *target.beside)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in target.without:
            continue
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            waiting += [
                asked
                for asked in map(Requirement, requires[name])
                if asked.marker is None
                or asked.marker.evaluate({"extra": extra, "python_full_version": PYTHON})
            ]
    return {name for name, _ in seen} - {"colisten"}


def image_lock(lines: Sequence[str], names: set[str]) -> str:
    """The lines of requirements.lock that name these packages."""
    kept = [line for line in lines if _name(line) in names]
    if missing := names - {_name(line) for line in kept}:
        raise ValueError(f"requirements.lock has no {', '.join(sorted(missing))}.")
    return HEAD + "".join(f"{line}\n" for line in kept)


def write_image_locks(lines: Sequence[str], requires: Requires) -> None:
    """Write images/TARGET.lock for every target that has one.

    Args:
        lines: Of requirements.lock.
        requires: Of every package there, and of colisten.
    """
    for name, target in LOCKED.items():
        text = image_lock(lines, packages(target, requires))
        (IMAGES / f"{name}.lock").write_text(text)


def locked_lines(file: Path) -> list[str]:
    """The lines of a lock that name a file."""
    return [line for line in file.read_text().splitlines() if not line.startswith("#")]


def _name(line: str) -> str:
    return canonicalize_name(line.partition("==")[0])
