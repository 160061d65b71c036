"""What a container runs and finds: its options, its variables, the settings that it is given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, takewhile
from pathlib import PurePosixPath
from typing import Any

from colisten.errors import ConfigError
from colisten.settings.tree import Settings, settings_from
from colisten.yaml_files import parse_yaml
from k8s.checks.rendered import Object, Rendered, Workload, at

# $(NAME) is Kubernetes' own, $NAME the shell's.
_EXPANDED = re.compile(r"\$\(?([A-Za-z_][A-Za-z0-9_]*)\)?")
_SHELL = ["/bin/sh", "-c"]
# Of other containers' files: settings.yaml and publishing.yaml are settings.
PUBLISHING = "publishing.yaml"


@dataclass(frozen=True)
class Command:
    """A container that runs `colisten`.

    Attributes:
        rendered: All objects.
        workload: Whose it is.
        container: Itself.
    """

    rendered: Rendered
    workload: Workload
    container: Object

    @property
    def words(self) -> list[str]:
        """Its command line, variables filled in; of a shell's script the command of ours."""
        said = [*self.container.get("command", []), *self.container.get("args", [])]
        if said[:2] == _SHELL:
            said = _ours(said[2])
        known = self.variables
        return [_EXPANDED.sub(lambda m: known.get(m[1]) or m[0], one) for one in said]

    @property
    def options(self) -> dict[str, str]:
        """Options and their values, written as --name=value or --name value."""
        found = {}
        for word, following in pairwise([*self.words, ""]):
            if word.startswith("--"):
                name, equals, value = word.partition("=")
                found[name] = value if equals else following
        return found

    @cached_property
    def variables(self) -> dict[str, str | None]:
        """Its environment; None stands for a value that a Secret holds."""
        found: dict[str, str | None] = {}
        for source in self.container.get("envFrom", []):
            if (name := at(source, "configMapRef", "name")) is not None:
                found |= self._data(name)
        for one in self.container.get("env", []):
            reference = at(one, "valueFrom", "configMapKeyRef")
            if reference is not None:
                found[one["name"]] = self._data(reference["name"]).get(reference["key"])
            else:
                found[one["name"]] = one.get("value")
        return found

    @property
    def computes(self) -> bool:
        """Whether it opens features and DuckDB: `release fetch` brings files and does neither."""
        return self.words[1:3] != ["release", "fetch"]

    @property
    def publishes(self) -> bool:
        """Whether it writes a release's vectors to an index."""
        return self.words[1:3] == ["release", "publish"]

    def volume_of(self, path: str) -> tuple[Object, Object] | None:
        """The mount that a path lies in, the deepest one, and its volume; None where none does."""
        mounts = [
            one
            for one in self.container.get("volumeMounts", [])
            if PurePosixPath(path).is_relative_to(one["mountPath"])
        ]
        if not mounts:
            return None
        mount = max(mounts, key=lambda one: len(PurePosixPath(one["mountPath"]).parts))
        volume = self.workload.volumes.get(mount["name"])
        return None if volume is None else (mount, volume)

    def file(self, path: str) -> str | None:
        """The text of a file that a ConfigMap is mounted for; None where there is none."""
        found = self.volume_of(path)
        name = None if found is None else at(found[1], "configMap", "name")
        return None if name is None else self._data(name).get(PurePosixPath(path).name)

    @property
    def settings(self) -> Settings | None:
        """What `--config` names; None where that is not there or no file of settings, which
        `k8s.checks.configuration` says."""
        text = self.file(self.options.get("--config", ""))
        return None if text is None else _settings_or_none(text)

    def _data(self, name: str) -> Mapping[str, str]:
        found = self.rendered.find("ConfigMap", name, self.workload.namespace)
        data: Mapping[str, str] = (found or {}).get("data", {})
        return data


def _ours(script: str) -> list[str]:
    """The words of the first `colisten` command of a script; none where it has none."""
    words = list(shlex.shlex(script, posix=True, punctuation_chars=True))
    begun = words[words.index("colisten") :] if "colisten" in words else []
    return list(takewhile(lambda word: not set(word) <= set(";&|()"), begun))


def settings_of(text: str) -> Settings:
    """Settings of a file's text, with nothing that this machine says; raises ConfigError."""
    tree: Any = parse_yaml(text, "settings") or {}
    return settings_from(dict(tree))


def commands(rendered: Rendered) -> list[Command]:
    """Every container that runs `colisten`."""
    found = [
        Command(rendered, workload, container)
        for workload in rendered.workloads
        for container in workload.containers
    ]
    return [one for one in found if one.words[:1] == ["colisten"]]


def services(rendered: Rendered) -> list[Command]:
    """Every container that runs `colisten serve`."""
    return [one for one in commands(rendered) if one.words[:2] == ["colisten", "serve"]]


def publishing_of(rendered: Rendered) -> Settings | None:
    """What publishes is told (k8s/base/feast); None where that is not rendered beside."""
    for one in rendered.kind("ConfigMap"):
        if (text := one.get("data", {}).get(PUBLISHING)) is not None:
            return _settings_or_none(text)
    return None


def _settings_or_none(text: str) -> Settings | None:
    try:
        return settings_of(text)
    except ConfigError:
        return None
