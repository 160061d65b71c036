"""Which exporters of traces the environment names; known before anything is loaded that traces."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from colisten.errors import ConfigError
from colisten.words import shown

EXPORTER = "OTEL_TRACES_EXPORTER"
DISABLED = "OTEL_SDK_DISABLED"
_GROUP = "opentelemetry_traces_exporter"
_OTLP = ("otlp_proto_http", "otlp_proto_grpc")
"""What the packages call it; the specification's variable says otlp."""


def exporters_of(variables: Mapping[str, str]) -> list[EntryPoint]:
    """The exporters that the environment names, not yet made.

    Raises:
        ConfigError: One of them is not installed.
    """
    if variables.get(DISABLED, "").strip().lower() == "true":
        return []
    named = (one.strip() for one in variables.get(EXPORTER, "").split(","))
    found = []
    for name in named:
        if name in ("", "none"):
            continue
        alike = (name, *_OTLP) if name == "otlp" else (name,)
        made = [one for alias in alike for one in entry_points(group=_GROUP, name=alias)]
        if not made:
            known = ", ".join(sorted({one.name for one in entry_points(group=_GROUP)}))
            raise ConfigError(
                f"{EXPORTER} names the exporter {shown(name)}, which is not installed.",
                f"Here are {known}; opentelemetry-exporter-otlp-proto-http has otlp.",
            )
        found.append(made[0])
    return found
