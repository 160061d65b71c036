"""The feature repository of a release in the bucket: named by its digests, so never changed.

Only what describes it and its offline sources lie there. What people did since is in an online
store that all services share; SQLite is a file of one folder and cannot be it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from colisten.errors import ConfigError, ReleaseCorrupt, StoreError
from colisten.features.names import CONFIG_FILE, REGISTRY_FILE, SOURCES
from colisten.files import combined_digest, file_digest, folder_digests, write_aside
from colisten.release.feature_files import FEATURES
from colisten.store.bucket import Bucket
from colisten.store.safe_names import inside
from colisten.yaml_files import parse_yaml

SETS = "features/"
_DIGITS = 32


def folder_of(home: Path) -> Path:
    """Where a home keeps the features that its release reads: said here alone."""
    return home / FEATURES


def noted(entries: Iterable[Mapping[str, Any]]) -> dict[str, str] | None:
    """Digests of the features that belong to the lines' release; None where no line tells."""
    for entry in reversed(list(entries)):
        digests = entry.get("digests")
        if entry["event"] == FEATURES and isinstance(digests, dict):
            return {str(name): str(digest) for name, digest in digests.items()}
    return None


def set_name(digests: Mapping[str, str]) -> str:
    """The prefix of a set's objects."""
    return f"{SETS}{combined_digest(dict(digests))[:_DIGITS]}/"


def check_shared(folder: Path) -> None:
    """Refuse features whose online store is a file of one folder.

    Raises:
        ConfigError: It is.
    """
    file = folder / CONFIG_FILE
    try:
        config = parse_yaml(file.read_text(), str(file))
        kind = config["online_store"]["type"]
    except (OSError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {file}: {error}.", "Run `colisten run` again.") from error
    check_online_store(str(kind))


def check_online_store(kind: str) -> None:
    """Refuse an online store that services at a bucket could not share.

    Raises:
        ConfigError: It is one.
    """
    if kind == "sqlite":
        raise ConfigError(
            "The online features are in SQLite, a file of one folder, and a store in a bucket is "
            "served by many.",
            "Set features.online_store=redis and features.redis, and run again.",
        )


def push_features(bucket: Bucket, home: Path, digests: Mapping[str, str]) -> None:
    """Write the features of a home to the bucket.

    Raises:
        StoreError: The folder holds others than the journal says.
        ConfigError: See `check_shared`.
    """
    folder = folder_of(home)
    if _present(folder) != digests:
        raise StoreError(
            f"{folder} holds other features than its journal says.", "Run `colisten run` again."
        )
    check_shared(folder)
    prefix = set_name(digests)
    for file in _files(folder):
        bucket.store(prefix + file.relative_to(folder).as_posix(), file)


def fetch_features(bucket: Bucket, home: Path, digests: Mapping[str, str]) -> None:
    """Bring the features that the journal notes into a home, unless they are there.

    Raises:
        ReleaseCorrupt: What the bucket holds is not what the journal says.
        StoreError: It cannot be had.
    """
    folder = folder_of(home)
    if _present(folder) == digests:
        return
    prefix = set_name(digests)
    with write_aside(folder) as aside:
        aside.mkdir()
        for one in bucket.names(prefix):
            file = inside(aside, one.name.removeprefix(prefix))
            file.parent.mkdir(parents=True, exist_ok=True)
            bucket.fetch(one.name, file, one.bytes)
        if _present(aside) != digests:
            raise ReleaseCorrupt(
                f"{bucket.address}/{prefix} holds other features than the journal says.",
                "Push them again.",
            )


def remove_features(bucket: Bucket, keep: Iterable[Mapping[str, str]]) -> None:
    """Remove the sets that no release needs any more."""
    kept = {set_name(digests) for digests in keep}
    for one in bucket.names(SETS):
        if "/".join(one.name.split("/")[:2]) + "/" not in kept:
            bucket.remove(one.name)


def _files(folder: Path) -> list[Path]:
    sources = sorted(path for path in (folder / SOURCES).rglob("*") if path.is_file())
    return [*sources, folder / CONFIG_FILE, folder / REGISTRY_FILE]


def _present(folder: Path) -> dict[str, str] | None:
    """What `bind_features` would note of a folder; None where it holds no features."""
    try:
        files = {name: file_digest(folder / name) for name in (CONFIG_FILE, REGISTRY_FILE)}
    except OSError:
        return None
    return {**files, SOURCES: combined_digest(folder_digests(folder / SOURCES))}
