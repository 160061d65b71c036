"""feature_store.yaml: embedded by default, Redis by configuration."""

from __future__ import annotations

from pathlib import Path

import yaml

from colisten.feature_repo.stores import store_config, write_config
from colisten.settings.sections import FeatureSettings

DEFINITIONS = "0123abcd" * 8


def test_the_default_needs_no_server(tmp_path: Path) -> None:
    written = yaml.safe_load(write_config(tmp_path, FeatureSettings(), DEFINITIONS).read_text())
    assert written == store_config(FeatureSettings(), DEFINITIONS)
    assert written["offline_store"] == {"type": "colisten.features.offline.FileOfflineStore"}
    assert written["online_store"] == {"type": "sqlite", "path": "online.db"}
    assert written["entity_key_serialization_version"] == 3
    assert written["project"] == "colisten_0123abcd"


def test_redis_by_configuration_alone() -> None:
    features = FeatureSettings(online_store="redis", redis="cache:6380,password=${P},retry=1")
    kept = store_config(features, DEFINITIONS)["online_store"]
    assert kept["type"] == "redis"
    assert kept["connection_string"].startswith("cache:6380,password=${P},retry=1,")
    assert kept["connection_string"].count("retry=") == 1
    assert "socket_timeout=" in kept["connection_string"]


def test_rows_of_redis_may_end_by_themselves() -> None:
    features = FeatureSettings(online_store="redis", online_keep_days=30)
    kept = store_config(features, DEFINITIONS)["online_store"]
    assert kept["key_ttl_seconds"] == 30 * 86_400
    for features in (FeatureSettings(online_store="redis"), FeatureSettings(online_keep_days=30)):
        assert "key_ttl_seconds" not in store_config(features, DEFINITIONS)["online_store"]
