"""Where features are stored: what feature_store.yaml says.

Offline is DuckDB over parquet: its point-in-time join keeps rows that have no value yet. Online
is SQLite without any server, or Redis by configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from colisten.extras import needs
from colisten.features.names import (
    CONFIG_FILE,
    OFFLINE_STORE,
    ONLINE_FILE,
    REGISTRY_FILE,
    key_space,
)
from colisten.files import write_aside
from colisten.settings.sections import FeatureSettings

_WRITE_ROWS = 5000
_DAY_SECONDS = 24 * 3600
# A request has a deadline: redis-py would try again for about eight seconds.
_REDIS_PATIENCE = {"socket_connect_timeout": "1", "socket_timeout": "2", "retry": "null"}


def store_config(
    features: FeatureSettings,
    definitions: str,
    *,
    registry: str = REGISTRY_FILE,
    online: str = ONLINE_FILE,
) -> dict[str, Any]:
    """The content of feature_store.yaml; its file paths are relative to its folder.

    Args:
        features: Where online features are kept.
        definitions: Digest of the repository's definitions, which names its key space.
        registry: Where the registry is written.
        online: SQLite's file.

    Feast fills in environment variables: `features.redis` may be `${REDIS}`, which keeps a
    password out of settings and files.

    Raises:
        ConfigError: Redis is asked for and its package is not installed.
    """
    if features.online_store == "redis":
        needs("redis")
    online_store: dict[str, Any] = (
        {"type": "redis", "connection_string": _impatient(features.redis)}
        if features.online_store == "redis"
        else {"type": "sqlite", "path": online}
    )
    if features.online_store == "redis" and features.online_keep_days is not None:
        # Set anew with every write: what goes is who was not written for so long.
        online_store["key_ttl_seconds"] = features.online_keep_days * _DAY_SECONDS
    return {
        "project": key_space(definitions),
        "provider": "local",
        # The registry changes only when the repository is rebuilt: 0 keeps the first read.
        "registry": {"path": registry, "cache_ttl_seconds": 0},
        "offline_store": {"type": OFFLINE_STORE},
        "online_store": online_store,
        "entity_key_serialization_version": 3,
        # Without a batch size `feast materialize` 0.67 writes only the first chunk of an answer.
        "materialization": {"online_write_batch_size": _WRITE_ROWS},
    }


def config_bytes(
    features: FeatureSettings, definitions: str, *, online: str = ONLINE_FILE
) -> bytes:
    """feature_store.yaml as it is written; args and errors are those of `store_config`."""
    config = store_config(features, definitions, online=online)
    return yaml.safe_dump(config, sort_keys=False).encode()


def write_config(folder: Path, features: FeatureSettings, definitions: str) -> Path:
    """Write `folder`/feature_store.yaml; raises as `store_config` does."""
    file = folder / CONFIG_FILE
    with write_aside(file) as aside:
        aside.write_bytes(config_bytes(features, definitions))
    return file


def _impatient(connection: str) -> str:
    given = {part.partition("=")[0] for part in connection.split(",")}
    added = [f"{key}={value}" for key, value in _REDIS_PATIENCE.items() if key not in given]
    return ",".join([connection, *added])
