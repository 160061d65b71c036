"""A release as objects of the bucket: its files, its signature, and its manifest last."""

from __future__ import annotations

import shutil
from pathlib import Path

from colisten.errors import ReleaseNotFound
from colisten.files import file_digest, write_aside
from colisten.logs import logger
from colisten.release.manifest import MANIFEST, SIGNATURE, Manifest
from colisten.release.verify import load_checked
from colisten.store.bucket import Bucket
from colisten.store.safe_names import inside

RELEASES = "releases/"
# Manifests name files and settings; signatures are a line. More is an attack or a mistake.
_MOST_MANIFEST = 16 << 20
_MOST_SIGNATURE = 1 << 16
log = logger("store")


def push_release(bucket: Bucket, folder: Path) -> None:
    """Write a release's files; those that are there already are not written again.

    Raises:
        ReleaseCorrupt: A file differs from its digest; its manifest is not written.
    """
    manifest = Manifest.read(folder)
    manifest.check_files(folder)
    prefix = f"{RELEASES}{manifest.release_id}/"
    for name in manifest.files:
        bucket.store(prefix + name, inside(folder, name))
    for name in (SIGNATURE, MANIFEST):
        if (folder / name).is_file():
            bucket.store(prefix + name, folder / name)
    log.info("release pushed", release_id=manifest.release_id, store=str(bucket.address))


def fetch_release(bucket: Bucket, releases: Path, release_id: str) -> None:
    """Bring a release into a releases folder, unless it is there and whole.

    Files that are there already, with the digest that its manifest says, are not asked for.

    Raises:
        ReleaseNotFound: The bucket has none of that id.
        ReleaseCorrupt: What it holds is not what the manifest says; the folder stays as it was.
        StoreError: It cannot be had.
    """
    folder, prefix = releases / release_id, f"{RELEASES}{release_id}/"
    if load_checked(folder) is not None:
        return
    with write_aside(folder) as aside:
        aside.mkdir()
        _fetch_manifest(bucket, aside, release_id)
        manifest = Manifest.read(aside)
        for name, entry in manifest.files.items():
            file, there = inside(aside, name), folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if there.is_file() and file_digest(there) == entry.sha256:
                shutil.copyfile(there, file)
            else:
                bucket.fetch(prefix + name, file, entry.bytes)
        _fetch_signature(bucket, aside, release_id)
        manifest.check_files(aside)
    log.info("release fetched", release_id=release_id, store=str(bucket.address))


def fetch_manifest(bucket: Bucket, releases: Path, release_id: str) -> None:
    """Bring a release's manifest alone, unless something of it is there: enough for a list."""
    folder = releases / release_id
    if (folder / MANIFEST).is_file():
        return
    with write_aside(folder) as aside:
        aside.mkdir()
        _fetch_manifest(bucket, aside, release_id)


def fetch_signature(bucket: Bucket, releases: Path, release_id: str) -> None:
    """Bring a release's signature, which may be younger than its files."""
    if (releases / release_id / MANIFEST).is_file():
        _fetch_signature(bucket, releases / release_id, release_id)


def remove_release(bucket: Bucket, release_id: str) -> None:
    """Remove a release's objects, the manifest first: what is left is no release."""
    prefix = f"{RELEASES}{release_id}/"
    bucket.remove(prefix + MANIFEST)
    for one in bucket.names(prefix):
        bucket.remove(one.name)


def _fetch_manifest(bucket: Bucket, folder: Path, release_id: str) -> None:
    content = bucket.read(f"{RELEASES}{release_id}/{MANIFEST}", most=_MOST_MANIFEST)
    if content is None:
        raise ReleaseNotFound(
            f"No release '{release_id}' in {bucket.address}.", "`release list` shows them."
        )
    (folder / MANIFEST).write_bytes(content)
    manifest = Manifest.read(folder)
    if manifest.release_id != release_id:
        raise ReleaseNotFound(
            f"{bucket.address} holds release {manifest.release_id} under the name of {release_id}."
        )


def _fetch_signature(bucket: Bucket, folder: Path, release_id: str) -> None:
    content = bucket.read(f"{RELEASES}{release_id}/{SIGNATURE}", most=_MOST_SIGNATURE)
    if content is not None:
        with write_aside(folder / SIGNATURE) as aside:
            aside.write_bytes(content)
