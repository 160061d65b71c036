"""The files of a feature repository, read once as data and opened only if that is all they are.

`feature_store.yaml` names classes that Feast imports, and the registry may hold functions that it
runs: both are read here, judged, and handed to Feast as they were judged. Neither is looked at
again by a store that is open, whatever happens to the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from colisten.errors import ConfigError, FeatureError, FeaturesRefused
from colisten.features.lightfeast import FeatureStore, RepoConfig
from colisten.features.names import (
    CONFIG_FILE,
    DEFINITIONS_FILE,
    OFFLINE_STORE,
    ONLINE_FILE,
    PROJECT,
    REGISTRY_FILE,
    SOURCES,
)
from colisten.features.registry import CONTENT, STORE_TYPE, check_registry
from colisten.files import combined_digest, file_digest, folder_digests, located
from colisten.yaml_files import parse_yaml

Digests = Mapping[str, frozenset[str]]
"""What SHA-256 configuration and registry may have, by file name, and the sources as a whole."""

# What `colisten.feature_repo.stores.store_config` writes, beside the online store's own keys; a
# value of None is any plain one. Repositories of before name Feast's own offline store, and a
# project that says nothing of their definitions.
_SHAPE: dict[str, Any] = {
    "project": re.compile(rf"{PROJECT}(_[0-9a-f]{{8}})?"),
    "provider": ("local",),
    "registry": {"path": (REGISTRY_FILE,), "cache_ttl_seconds": None},
    "offline_store": {"type": (OFFLINE_STORE, "duckdb")},
    "entity_key_serialization_version": None,
    "materialization": {"online_write_batch_size": None},
}
_ONLINE: dict[str, dict[str, Any]] = {
    "sqlite": {
        "type": None,
        "path": re.compile(rf"{re.escape(ONLINE_FILE)}|\.\./online_[0-9a-f]{{8}}\.db"),
    },
    "redis": {"type": None, "connection_string": None},
}
_NEEDED = ("registry", "online_store")
_ADVICE = "Build it again: `colisten run` does."
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True)
class RepositoryFiles:
    """Configuration and registry of a repository, as they were read.

    Attributes:
        folder: Where, as it is to be called.
        config: Bytes of feature_store.yaml.
        registry: Bytes of registry.db.
    """

    folder: Path
    config: bytes
    registry: bytes

    @classmethod
    def read(cls, folder: Path) -> RepositoryFiles:
        """Read both once.

        Raises:
            FeatureError: There is no repository, or one of them cannot be read.
        """
        if not (folder / CONFIG_FILE).exists():
            older = (folder.parent / CONFIG_FILE).is_file()
            of_before = f" The one at {folder.parent} is of an older version." if older else ""
            raise FeatureError(f"No feature repository at {folder}.{of_before}", _ADVICE)
        try:
            return cls(
                folder, (folder / CONFIG_FILE).read_bytes(), (folder / REGISTRY_FILE).read_bytes()
            )
        except OSError as error:
            raise FeatureError(
                f"Cannot open the feature repository at {folder}: {error}.", _ADVICE
            ) from error

    @property
    def digests(self) -> dict[str, str]:
        """Of both files."""
        files = {CONFIG_FILE: self.config, REGISTRY_FILE: self.registry}
        return {name: sha256(content).hexdigest() for name, content in files.items()}

    def check(self, bound: Digests | None) -> None:
        """Refuse files that are not those of `bound`, where that says anything.

        Raises:
            FeaturesRefused: One of them differs.
        """
        for name, digest in self.digests.items():
            if bound is not None and digest not in bound.get(name, {digest}):
                raise FeaturesRefused(
                    f"{self.folder / name} is not the one that was published with the release.",
                    _ADVICE,
                )

    def open(self) -> FeatureStore:
        """A store over what was read.

        Raises:
            FeaturesRefused: The files hold more than colisten writes.
            FeatureError: Feast cannot open them, or a variable that they name is not set.
        """
        config = self._configuration()
        check_registry(self.registry, self.folder / REGISTRY_FILE)
        config["registry"] |= {"registry_store_type": STORE_TYPE, CONTENT: self.registry}
        try:
            store = FeatureStore(config=RepoConfig(**config, repo_path=located(self.folder)))
            views = store.list_feature_views(allow_cache=True)
        except Exception as error:
            raise FeatureError(
                f"Cannot open the feature repository at {self.folder}: {error}."
            ) from error
        if not views:  # Feast takes an empty file for an empty registry
            raise FeatureError(
                f"The registry of the feature repository at {self.folder} holds nothing.", _ADVICE
            )
        return store

    def _configuration(self) -> dict[str, Any]:
        file = self.folder / CONFIG_FILE
        try:
            config = parse_yaml(self.config.decode(), str(file))
        except (ConfigError, UnicodeDecodeError) as error:
            raise FeatureError(f"Cannot read {file}: {error}", _ADVICE) from error
        online = config.get("online_store") if isinstance(config, dict) else None
        kind = online.get("type") if isinstance(online, dict) else None
        shape = {**_SHAPE, "online_store": _ONLINE.get(str(kind), {})}
        if (fault := _beyond(config, shape, "")) is not None:
            raise FeaturesRefused(f"{file} says {fault}; colisten writes no such thing.", _ADVICE)
        if "connection_string" in config["online_store"]:
            given = str(config["online_store"]["connection_string"])
            config["online_store"]["connection_string"] = _filled_in(given, file)
        return dict(config)


def source_digest(folder: Path) -> str:
    """One SHA-256 over the sources of a repository: the same for the same tables and settings."""
    return combined_digest(folder_digests(folder / SOURCES))


def definitions_digest(folder: Path) -> str:
    """SHA-256 of what the views of a repository are.

    Raises:
        FeatureError: A version built it that did not write that down.
    """
    file = folder / SOURCES / DEFINITIONS_FILE
    try:
        return file_digest(file)
    except OSError as error:
        raise FeatureError(f"Cannot read {file}: {error}.", _ADVICE) from error


def key_space_of(store: FeatureStore) -> tuple[str, ...]:
    """What tells the key space of an open store from others: where it lies and its project."""
    online = store.config.online_store
    place = online.connection_string if online.type == "redis" else str(online_file(store))
    return online.type, place, str(store.project)


def online_file(store: FeatureStore) -> Path | None:
    """Where SQLite keeps the rows of an open store; None where a server does."""
    if store.config.online_store.type != "sqlite":
        return None
    folder = located(Path(store.config.repo_path))
    return Path(os.path.normpath(folder / store.config.online_store.path))


def source_file(store: FeatureStore, view: Any) -> Path:
    """Where the source of a view lies: a registry names it from its repository's folder on."""
    return Path(store.config.repo_path, view.batch_source.path)


def _beyond(given: Any, shape: Any, name: str) -> str | None:
    """The first key or value that a shape does not foresee; None of nothing."""
    if isinstance(shape, dict):
        if not isinstance(given, dict):
            return f"'{name.rstrip('.')}: {given}'"
        if further := sorted(str(key) for key in given.keys() - shape.keys()):
            return f"'{name}{further[0]}'"
        if name == "" and (missing := [key for key in _NEEDED if key not in given]):
            return f"nothing of '{missing[0]}'"
        faults = (_beyond(value, shape[key], f"{name}{key}.") for key, value in given.items())
        return next((fault for fault in faults if fault is not None), None)
    if isinstance(shape, re.Pattern):
        foreseen = isinstance(given, str) and shape.fullmatch(given) is not None
    else:
        foreseen = isinstance(given, str | int) if shape is None else given in shape
    return None if foreseen else f"'{name.rstrip('.')}: {given}'"


def _filled_in(text: str, file: Path) -> str:
    """A text with the environment's variables in place of their names, as Feast does it."""
    filled = os.path.expandvars(text)
    unset = [name for name in _VARIABLE.findall(text) if name not in os.environ]
    if unset:
        raise FeatureError(
            f"{file} names the environment variable {unset[0]}, which is not set.",
            "Set it where the work is done; see features.redis in docs/settings.md.",
        )
    return filled
