"""Feast's DuckDB offline store, reading each source as the one file that it is.

Feast hands a source's path to DuckDB as it stands, which makes columns of folders named
`key=value` and patterns of `*`, `?` and `[`. What it does with the rows is left as it was:
feature_store.yaml names this store by its class, as Feast foresees.
"""

from __future__ import annotations

from colisten.data.duckdb_connection import default_ibis_backend
from colisten.extras import needs

needs("feast")

from pathlib import Path
from typing import Any

from feast.infra.offline_stores.duckdb import (
    DuckDBOfflineStore,
    DuckDBOfflineStoreConfig,
    _write_data_source,
)
from feast.infra.offline_stores.ibis import (
    get_historical_features_ibis,
    pull_all_from_table_or_query_ibis,
    pull_latest_from_table_or_query_ibis,
)

from colisten.data import parquet
from colisten.features.names import OFFLINE_STORE


class FileOfflineStoreConfig(DuckDBOfflineStoreConfig):  # type: ignore[misc]
    """The settings of Feast's own DuckDB store."""

    type: str = OFFLINE_STORE


class FileOfflineStore(DuckDBOfflineStore):  # type: ignore[misc]
    """Feast's own DuckDB store, but for how a source is opened."""

    @staticmethod
    def pull_latest_from_table_or_query(config: Any, **asked: Any) -> Any:
        """The newest row of each entity between two moments."""
        return pull_latest_from_table_or_query_ibis(config=config, **asked, **_files(config))

    @staticmethod
    def get_historical_features(config: Any, **asked: Any) -> Any:
        """What was known of each entity at its moment."""
        return get_historical_features_ibis(config=config, **asked, **_files(config))

    @staticmethod
    def pull_all_from_table_or_query(config: Any, **asked: Any) -> Any:
        """Every row of a source between two moments."""
        return pull_all_from_table_or_query_ibis(config=config, **asked, **_files(config))


def _files(config: Any) -> dict[str, Any]:
    store = config.offline_store
    return {
        "data_source_reader": _source,
        "data_source_writer": _write_data_source,
        "staging_location": store.staging_location,
        "staging_location_endpoint_override": store.staging_location_endpoint_override,
    }


def _source(source: Any, repo_path: str) -> Any:
    return parquet.table(default_ibis_backend(), Path(repo_path) / source.path)
