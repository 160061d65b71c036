"""The wheels that images are made of, in a folder that a build takes as the context `wheels`.

They are fetched here and not in the build, so that this machine's pip, with whatever index and
certificates it is told of, is the only one that reaches a network, and no image learns of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.utils import canonicalize_name

from supply.image_locks import IMAGES, ROOT, locked_lines
from supply.stripping import strip_wheel

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
ROOMS = ("cli", "components", "feature_repo", "monitoring", "pipelines", "serving")
# 1980, before which zip files know no time: equal sources give equal wheels.
EPOCH = "315532800"


def fetch_wheels(targets: Iterable[str], cache: Path) -> Path:
    """A folder with a wheel of every package of these targets, and of pip.

    Args:
        targets: Names of locks in images/.
        cache: Kept between builds; a folder in it holds exactly one set of packages.

    Returns:
        The folder, named by what it holds.
    """
    lines = {line for name in ("pip", *targets) for line in locked_lines(IMAGES / f"{name}.lock")}
    wanted = "".join(f"{line}\n" for line in sorted(lines))
    folder = cache / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    if folder.is_dir():
        return folder
    aside = folder.with_suffix(".partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    lock = aside / "wanted.txt"
    lock.write_text(wanted)
    # What comes as sources is built here too: no compiler, and no builder, is in an image.
    command = [*PIP, "wheel", "--require-hashes", "--no-deps", "-r", str(lock), "-w", str(aside)]
    subprocess.run(command, check=True)
    lock.unlink()
    with ThreadPoolExecutor() as pool:
        list(pool.map(strip_wheel, (one for one in aside.glob("*.whl") if _served(one))))
    aside.rename(folder)
    return folder


def _served(wheel: Path) -> bool:
    """Whether it is in the image of the service, the one whose size a start waits for."""
    names = {line.partition("==")[0] for line in locked_lines(IMAGES / "serving.lock")}
    known = {canonicalize_name(name) for name in names}
    return canonicalize_name(wheel.name.partition("-")[0]) in known


def build_wheel(folder: Path) -> tuple[str, str]:
    """Put colisten's wheel into a folder of wheels; its name, and its SHA-256."""
    source = folder / "source.partial"
    shutil.rmtree(source, ignore_errors=True)
    try:
        for name in ("colisten", *ROOMS):
            # Links stay links, as in a checkout.
            shutil.copytree(
                ROOT / name,
                source / name,
                symlinks=True,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
        subprocess.run([*command, str(source)], check=True, env=environment)
    finally:
        shutil.rmtree(source, ignore_errors=True)
    (wheel,) = folder.glob("colisten-*.whl")
    return wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest()
