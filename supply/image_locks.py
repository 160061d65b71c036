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
        extras: Of colisten.
        without: Packages that requirements name and no process of the image imports.
        beside: Packages that colisten's own requirements do not name.
    """

    extras: tuple[str, ...]
    without: frozenset[str]
    beside: tuple[str, ...] = ()


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

Requires = Mapping[str, Sequence[str]]
"""What each package asks for, by canonical name, as its metadata says."""


def packages(target: Target, requires: Requires) -> set[str]:
    """Canonical names of all that a target holds, colisten itself left out."""
    first = [f"colisten[{','.join(target.extras)}]", *target.beside]
    waiting = [Requirement(line) for line in first]
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
    """Write images/TARGET.lock for every target.

    Args:
        lines: Of requirements.lock.
        requires: Of every package there, and of colisten.
    """
    for name, target in TARGETS.items():
        text = image_lock(lines, packages(target, requires))
        (IMAGES / f"{name}.lock").write_text(text)


def locked_lines(file: Path) -> list[str]:
    """The lines of a lock that name a file."""
    return [line for line in file.read_text().splitlines() if not line.startswith("#")]


def _name(line: str) -> str:
    return canonicalize_name(line.partition("==")[0])
