"""Every distribution of the development environment, with the digest of the file it comes in.

pip takes digests for all that it installs or for nothing, and has none for a folder, so they cannot
stand in constraints.txt beside `-e .`: they are a file of their own, for one platform.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from supply.image_locks import IMAGES, locked_lines, write_image_locks

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
HEAD = """\
# Made by `make lock` from pyproject.toml and constraints.txt, for CPython 3.11 on Linux x86-64 with
# torch for CPUs, whose index is https://download.pytorch.org/whl/cpu. Nothing but these very files
# is installed by
#   pip install --require-hashes --no-deps -r requirements.lock
#   pip install --no-deps --no-build-isolation -e .
"""
BUILD = "setuptools>=77"
# What installs into images and is not left there.
PIP = "pip==26.3"
PIP_LOCK = IMAGES / "pip.lock"
PIP_HEAD = "# Made by `make lock`: what installs into images, from its own wheel.\n"


def write_lock() -> None:
    """Resolve as `make setup` does, and write down what was found, and what images hold of it."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    command += ["--quiet", "--disable-pip-version-check", "--report", "-", "-c", "constraints.txt"]
    command += ["torch==2.13.0", BUILD, PIP, "-e", ".[dev]"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    report = json.loads(done.stdout)
    found = [one for one in report["install"] if one["metadata"]["name"] != "pip"]
    installs = [one for one in report["install"] if one["metadata"]["name"] == "pip"]
    LOCK.write_text(lock_of({"install": found}))
    PIP_LOCK.write_text(lock_of({"install": installs}, PIP_HEAD))
    write_image_locks(locked_lines(LOCK), requires_of(found))


def requires_of(found: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What each package of a report of pip's asks for, by canonical name."""
    metadata = [one["metadata"] for one in found]
    return {canonicalize_name(one["name"]): one.get("requires_dist", []) for one in metadata}


def lock_of(report: dict[str, Any], head: str = HEAD) -> str:
    """The lines of a report of pip's; what is built from a folder has no digest and no line."""
    lines = []
    for found in report["install"]:
        archive = found["download_info"].get("archive_info")
        if archive is not None:
            name, version = found["metadata"]["name"], found["metadata"]["version"]
            digest = archive["hashes"]["sha256"]
            lines.append(f"{name.lower()}=={version} --hash=sha256:{digest}\n")
    return head + "".join(sorted(lines))


def locked() -> dict[str, str]:
    """Versions by name, as requirements.lock says; without the mark of a build for CPUs."""
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    pairs = (line.partition(" ")[0].partition("==") for line in lines)
    return {name: version.partition("+")[0] for name, _, version in pairs}
