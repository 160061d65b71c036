"""The feature repository of a release in the bucket: named by its digests, so never changed.

Only what describes it and its offline sources lie there. What people did since is in an online
store that all services share; SQLite is a file of one folder and cannot be it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from colisten.errors import ConfigError, ReleaseCorrupt, StoreError
from colisten.features.names import CONFIG_FILE, REGISTRY_FILE, SOURCES
from colisten.files import combined_digest, file_digest, folder_digests, write_aside
from colisten.release.feature_files import FEATURES, features_of
from colisten.release.manifest import Manifest
from colisten.store.bucket import Bucket, Listed
from colisten.store.safe_names import inside
from colisten.yaml_files import parse_yaml

SETS = "features/"
_DIGITS = 32


def noted(entries: Iterable[Mapping[str, Any]], generation: str) -> list[dict[str, str]]:
    """Digests that the files of a generation's repository may have, latest first.

    They are several where its configuration was written anew: a writer that was killed in between
    has pushed the one or the other.
    """
    found: dict[str, dict[str, str]] = {}
    for entry in reversed(list(entries)):
        digests = entry.get("digests")
        if (
            entry["event"] == FEATURES
            and entry.get("generation") == generation
            and isinstance(digests, dict)
        ):
            named = {str(name): str(digest) for name, digest in digests.items()}
            found.setdefault(set_name(named), named)
    return list(found.values())


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


def push_features(
    bucket: Bucket,
    home: Path,
    entries: Sequence[Mapping[str, Any]],
    fresh: Iterable[Mapping[str, Any]],
) -> None:
    """Write the features that fresh lines of a home's journal note to the bucket.

    Args:
        bucket: The store.
        home: Whose they are.
        entries: All of its lines.
        fresh: Those that the store lacks.

    Raises:
        StoreError: A folder holds others than the journal says.
        ConfigError: See `check_shared`.
    """
    for generation in _generations(fresh):
        folder = home / FEATURES / generation
        if not folder.is_dir():
            continue  # of releases that were pruned
        digests = _present(folder)
        if digests is None or digests not in noted(entries, generation):
            raise StoreError(
                f"{folder} holds other features than its journal says.",
                "Run `colisten run` again.",
            )
        check_shared(folder)
        prefix = set_name(digests)
        for file in _files(folder):
            bucket.store(prefix + file.relative_to(folder).as_posix(), file)


def fetch_features(
    bucket: Bucket, home: Path, release: Manifest, entries: Iterable[Mapping[str, Any]]
) -> None:
    """Bring the features of a release into a home, unless they are there.

    Args:
        bucket: The store.
        home: A mirror of it.
        release: Whose features.
        entries: All lines of the store's journal.

    Raises:
        ReleaseCorrupt: What the bucket holds is not what the journal says.
        StoreError: It cannot be had.
    """
    if release.features is None:
        return
    folder = features_of(home, release)
    sets = noted(entries, folder.name)
    present = _present(folder)
    if not sets or present == sets[0]:
        return
    for digests in sets:
        if digests == present:
            return
        objects = bucket.names(set_name(digests))
        if objects:
            _fetch(bucket, objects, digests, folder)
            return
    raise ReleaseCorrupt(
        f"{bucket.address} lacks the features of release {release.release_id}.",
        "Push them again.",
    )


def _fetch(
    bucket: Bucket, objects: Iterable[Listed], digests: Mapping[str, str], folder: Path
) -> None:
    prefix = set_name(digests)
    with write_aside(folder) as aside:
        aside.mkdir()
        for one in objects:
            file = inside(aside, one.name.removeprefix(prefix))
            file.parent.mkdir(parents=True, exist_ok=True)
            bucket.fetch(one.name, file, one.bytes)
        if _present(aside) != digests:
            raise ReleaseCorrupt(
                f"{bucket.address}/{prefix} holds other features than the journal says.",
                "Push them again.",
            )


def remove_features(
    bucket: Bucket, entries: Iterable[Mapping[str, Any]], keep: Iterable[Manifest]
) -> None:
    """Remove the sets that no release needs any more.

    Args:
        bucket: The store.
        entries: All lines of its journal.
        keep: Releases that it keeps.
    """
    lines = list(entries)
    kept = {
        set_name(digests)
        for release in keep
        if release.features is not None
        for digests in noted(lines, features_of(Path(), release).name)
    }
    for one in bucket.names(SETS):
        if "/".join(one.name.split("/")[:2]) + "/" not in kept:
            bucket.remove(one.name)


def _generations(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Generations that lines note features of, each once."""
    named = (one.get("generation") for one in entries if one["event"] == FEATURES)
    return list(dict.fromkeys(one for one in named if isinstance(one, str)))


def _files(folder: Path) -> list[Path]:
    sources = sorted(path for path in (folder / SOURCES).rglob("*") if path.is_file())
    return [*sources, folder / CONFIG_FILE, folder / REGISTRY_FILE]


def _present(folder: Path) -> dict[str, str] | None:
    """What would be noted of a folder; None where it holds no features."""
    try:
        files = {name: file_digest(folder / name) for name in (CONFIG_FILE, REGISTRY_FILE)}
    except OSError:
        return None
    return {**files, SOURCES: combined_digest(folder_digests(folder / SOURCES))}
