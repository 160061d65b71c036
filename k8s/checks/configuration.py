"""Keys of ConfigMaps and variables: each is read by the code, and what it reads is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from colisten.errors import ConfigError
from colisten.variables import KNOWN, OF_PIPELINES, PREFIX
from colisten.yaml_files import parse_yaml
from k8s.checks.command import Command, commands, publishing_of, services, settings_of
from k8s.checks.finding import Finding
from k8s.checks.rendered import Rendered, at, name_of

SERVED = frozenset({"serving", "index", "triton", "experiment", "release"})
"""Sections that the service reads; a test finds them in its sources."""
DASHBOARD = "grafana_dashboard"
"""Label of what Grafana's sidecar reads, and no pod of ours."""
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_OPENTELEMETRY = re.compile(r"OTEL_[A-Z_]+")
# Of credentials, which botocore reads in places of their own.
_AWS = {
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
}


def settings(rendered: Rendered) -> Iterator[Finding]:
    """Files of settings that are not there, do not load, or say what their reader does not read."""
    for command in commands(rendered):
        name, file = command.workload.name, command.options.get("--config")
        if file is None:
            continue
        text = command.file(file)
        if text is None:
            yield Finding("settings", name, f"no ConfigMap has {file}.")
            continue
        try:
            settings_of(text)
        except ConfigError as error:
            yield Finding("settings", name, f"{PurePosixPath(file).name}: {error}")
            continue
        tree = parse_yaml(text, file) or {}
        for section in sorted(set(tree) - SERVED) if command in services(rendered) else ():
            yield Finding("settings", name, f"the service reads nothing of section {section}.")
    for one in rendered.kind("ConfigMap"):
        if DASHBOARD in (at(one, "metadata", "labels") or {}):
            continue
        for key in one.get("data", {}):
            if not any(_reads(command, one["metadata"]["name"], key) for command in _of(rendered)):
                yield Finding("settings", name_of(one), f"nobody reads {key}.")


def variables(rendered: Rendered) -> Iterator[Finding]:
    """Variables that nothing reads, and those that settings name and a pod has not."""
    publishing = publishing_of(rendered)
    named = set(_REFERENCE.findall("" if publishing is None else publishing.features.redis))
    redis = publishing is not None and publishing.features.online_store == "redis"
    for command in commands(rendered):
        where, found = command.workload.name, command.variables
        for name in sorted(found):
            known = (
                name in set(KNOWN) - set(OF_PIPELINES)
                or (name in _AWS or name in _aws())
                or _OPENTELEMETRY.fullmatch(name)
                or name in named
            )
            if not known:
                yield Finding("settings", where, f"nothing reads the variable {name}.")
            elif name.startswith(PREFIX) and found[name] == "":
                yield Finding("settings", where, f"{name} is empty.")
        for name in sorted(named - set(found)) if redis and command.computes else ():
            text = f"features.redis names ${{{name}}}, and its pods do not have it."
            yield Finding("settings", where, text)
    for command in services(rendered):
        asked = command.settings
        uri = None if asked is None else asked.index.uri
        has = "COLISTEN_MILVUS_TOKEN" in command.variables
        if uri is not None and has and not uri.startswith("https://"):
            text = f"index.uri is {uri}: a token goes over https:// alone."
            yield Finding("settings", command.workload.name, text)


def _of(rendered: Rendered) -> list[Command]:
    """Every container, whatever it runs."""
    return [
        Command(rendered, workload, container)
        for workload in rendered.workloads
        for container in workload.containers
    ]


def _reads(command: Command, config: str, key: str) -> bool:
    """Whether a container has a key of a ConfigMap: as a variable, or a file of an option."""
    container = command.container
    if any(at(one, "configMapRef", "name") == config for one in container.get("envFrom", [])):
        return True
    for one in container.get("env", []):
        reference = at(one, "valueFrom", "configMapKeyRef") or {}
        if (reference.get("name"), reference.get("key")) == (config, key):
            return True
    if command.words[:1] != ["colisten"]:
        # Of others: what is mounted is taken to be read.
        volumes = command.workload.volumes.values()
        return any(at(one, "configMap", "name") == config for one in volumes)
    for path in command.options.values():
        found = command.volume_of(path) if path.startswith("/") else None
        if found is not None and at(found[1], "configMap", "name") == config:
            return PurePosixPath(path).name == key
    return False


def _aws() -> set[str]:
    """Variables that botocore reads."""
    said = [one[1] for one in BOTOCORE_DEFAUT_SESSION_VARIABLES.values()]
    return {name for one in said if one for name in ([one] if isinstance(one, str) else one)}
