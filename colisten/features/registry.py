"""Feast's registry as data: what colisten writes into one, and nothing that Feast would run.

A registry is a protobuf that may also hold functions, as source or pickled by dill, and names of
classes to import; Feast runs them while it makes objects of it. So its bytes are looked at first,
by the messages' own types and without Feast's constructors, and Feast then gets those same bytes:
a file that is replaced later is not read again by a store that is open.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError, Message

from colisten.errors import FeaturesRefused
from colisten.features.lightfeast import FeatureViewProto, RegistryProto, RegistryStore

STORE_TYPE = f"{__name__}.CheckedRegistryStore"
"""How Feast's configuration names the store below."""
CONTENT = "checked_content"
"""Under what name its configuration carries the bytes."""

# All that the definitions of `colisten.feature_repo` become. What is not here is refused, so a
# kind of view that a later Feast may run is refused too.
_KINDS = frozenset(
    f"feast.core.{name}"
    for name in (
        "DataSource",
        "DataSource.FileOptions",
        "DataSource.PushOptions",
        "DataSource.SourceMeta",
        "Entity",
        "EntityMeta",
        "EntitySpecV2",
        "FeatureService",
        "FeatureServiceMeta",
        "FeatureServiceSpec",
        "FeatureSpecV2",
        "FeatureView",
        "FeatureViewMeta",
        "FeatureViewProjection",
        "FeatureViewSpec",
        "FeatureViewVersionHistory",
        "FeatureViewVersionRecord",
        "Infra",
        "MaterializationInterval",
        "Project",
        "ProjectMeta",
        "ProjectMetadata",
        "ProjectSpec",
        "Registry",
    )
) | {
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
}
# Classes that Feast imports by name as it makes a source.
_CLASS = "data_source_class_type"
_CLASSES = ("", "feast.infra.offline_stores.file_source.FileSource", "feast.data_source.PushSource")
_VERSION = "feast.core.FeatureViewVersionRecord"
_PLAIN_VIEW = "feature_view"


def check_registry(content: bytes, where: object) -> None:
    """Refuse a registry that holds anything but plain definitions.

    Args:
        content: Its bytes.
        where: What to call it.

    Raises:
        FeaturesRefused: It is no registry, or holds what Feast would run or import.
    """
    registry = RegistryProto()
    try:
        registry.ParseFromString(content)
        fault = _fault(registry, "")
    except DecodeError as error:
        raise FeaturesRefused(f"{where} is no Feast registry: {error}.", _ADVICE) from error
    if fault is not None:
        raise FeaturesRefused(f"{where} holds {fault}", _ADVICE)


class CheckedRegistryStore(RegistryStore):  # type: ignore[misc]
    """Hands Feast the bytes that were checked, for as long as a store is open; writes nothing."""

    def __init__(self, registry_config: Any, repo_path: object) -> None:
        self._content: bytes = getattr(registry_config, CONTENT)

    def get_registry_proto(self) -> Any:
        """The registry as it was when the store was opened."""
        registry = RegistryProto()
        registry.ParseFromString(self._content)
        return registry

    def update_registry_proto(self, registry_proto: Any) -> None:
        """Refused: a repository changes by being built."""
        raise FeaturesRefused("A feature repository that is open is not written to.", _ADVICE)

    def teardown(self) -> None:
        """Refused likewise."""
        self.update_registry_proto(None)


_ADVICE = "Build it again: `colisten run` does."


def _fault(message: Message, owner: str) -> str | None:
    """The first thing that is no plain definition, as the end of a sentence; None of nothing."""
    kind = message.DESCRIPTOR.full_name
    owner = _name(message) or owner
    if kind not in _KINDS:
        return f"{message.DESCRIPTOR.name} '{owner}', which Feast may run as code."
    named = getattr(message, _CLASS, "")
    if named not in _CLASSES:
        return f"source '{owner}', for which Feast would import {named}."
    if kind == _VERSION:
        return _fault_of_version(message, owner)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            parts = list(value.values()) if field.message_type.fields[1].message_type else []
        else:
            parts = [value] if isinstance(value, Message) else list(value)
        for part in parts:
            if (fault := _fault(part, owner)) is not None:
                return fault
    return None


def _fault_of_version(record: Any, owner: str) -> str | None:
    """Of an earlier version of a view, which a registry holds as bytes."""
    if record.feature_view_type != _PLAIN_VIEW:
        return f"version '{owner}' of a {record.feature_view_type}, which Feast may run as code."
    view = FeatureViewProto()
    view.ParseFromString(record.feature_view_proto)
    return _fault(view, owner)


def _name(message: Any) -> str:
    spec = getattr(message, "spec", message)
    return str(getattr(spec, "name", "") or getattr(spec, "feature_view_name", ""))
