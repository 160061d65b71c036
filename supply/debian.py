"""The base of all images where no registry is within reach: Debian 12 with Python, and no more."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from supply.containers import Containers

SUITE = "bookworm"
# `usr-is-merged` in place of `usrmerge`, which is the whole of Perl; no apt, for nothing is
# installed into an image that runs.
PACKAGES = ("ca-certificates", "libgomp1", "libstdc++6", "python3", "usr-is-merged")
OPTIONS = (
    "--variant=essential",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=APT::Install-Recommends "false"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/lintian/*",
)
NAME = "localhost/colisten/debian"


def debian_base(containers: Containers, cache: Path, more: Sequence[str] = ()) -> str:
    """The name of the base image, made of Debian's packages where it is not there yet.

    The packages are those of the day on which it is made: remove the cache to take newer ones.

    Args:
        containers: Where it is kept.
        cache: Folder for what Debian's packages are unpacked to.
        more: Packages of Debian beside those of every image.

    Raises:
        RuntimeError: buildah failed.
        subprocess.CalledProcessError: mmdebstrap failed.
    """
    command = ["mmdebstrap", *OPTIONS, f"--include={','.join((*PACKAGES, *more))}", SUITE]
    tag = hashlib.sha256("\n".join(command).encode()).hexdigest()[:12]
    name = f"{NAME}:{SUITE}-{tag}"
    if containers.run(["buildah", "inspect", "--type", "image", name]).returncode == 0:
        return name
    tar = cache / f"{SUITE}-{tag}.tar"
    if not tar.exists():
        aside = tar.with_suffix(".partial.tar")
        subprocess.run([*command, str(aside)], check=True, stderr=subprocess.PIPE)
        aside.rename(tar)
    container = containers.answer("buildah", "from", "scratch")
    try:
        containers.answer("buildah", "add", "--quiet", container, tar, "/")
        containers.answer("buildah", "commit", "--quiet", "--timestamp", "0", container, name)
    finally:
        containers.run(["buildah", "rm", container])
    return name
