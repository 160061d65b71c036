"""Feast, without what its import costs and nobody here uses.

Feast marks its classes with `typeguard.typechecked`, which rewrites their source at import, and
imports torch wherever it is installed. Together that is five of its seven seconds, in every
pipeline step and service process, and it would bring torch into the service. Both are kept out
while Feast is imported; afterwards everything is as it was.
"""

from __future__ import annotations

from colisten.extras import needs

needs("feast", "typeguard")

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typeguard


def _unchecked(target: Any = None, **options: Any) -> Any:
    return target if target is not None else _unchecked


@contextmanager
def _light() -> Iterator[None]:
    modules: dict[str, Any] = sys.modules
    checked, hide_torch = typeguard.typechecked, "torch" not in modules
    typeguard.typechecked = _unchecked
    if hide_torch:
        modules["torch"] = None  # an import of it then raises ImportError, as if not installed
    try:
        yield
    finally:
        typeguard.typechecked = checked
        if hide_torch:
            del modules["torch"]


with _light():
    from feast import (
        Entity,
        FeatureService,
        FeatureStore,
        FeatureView,
        Field,
        FileSource,
        PushSource,
        RepoConfig,
        ValueType,
    )
    from feast.infra.key_encoding_utils import deserialize_entity_key, serialize_entity_key
    from feast.infra.registry.registry_store import RegistryStore
    from feast.protos.feast.core.FeatureView_pb2 import FeatureView as FeatureViewProto
    from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value
    from feast.types import Array, Bytes, Float32, Int64, String, UnixTimestamp

__all__ = [
    "Array",
    "Bytes",
    "Entity",
    "EntityKey",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "FeatureViewProto",
    "Field",
    "FileSource",
    "Float32",
    "Int64",
    "PushSource",
    "RegistryProto",
    "RegistryStore",
    "RepoConfig",
    "String",
    "UnixTimestamp",
    "Value",
    "ValueType",
    "deserialize_entity_key",
    "serialize_entity_key",
]
