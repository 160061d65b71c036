"""YAML of settings, as far as settings need it: plain values that are worth their size.

The safe loader makes no objects, but it still takes a key twice without a word, and a text of a
kilobyte whose anchors stand for a billion values. Settings need neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from colisten.errors import ConfigError

LARGEST_BYTES = 1_000_000
_ADVICE = "Write sections of `name: value`; docs/settings.md lists all."


class _Loader(yaml.SafeLoader):
    """The safe loader without anchors, and with every key once."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(None, None, "anchors are not taken", None)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{twice}' is there twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def read_yaml(file: Path, said: str, advice: str = "") -> Any:
    """Plain values from a file, of which at most what settings may take is read.

    Args:
        file: Of YAML; a mark of its encoding at the beginning is left out.
        said: What it is, before its path in messages: `settings`.
        advice: What to do, where it cannot be read.

    Raises:
        ConfigError: It cannot be read, or is not as `parse_yaml` wants it.
    """
    try:
        with file.open(encoding="utf-8-sig") as stream:
            text = stream.read(LARGEST_BYTES + 1)  # a device never ends
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read {said} {file}: {error}.", advice) from error
    return parse_yaml(text, f"{said.capitalize()} {file}")


def parse_yaml(text: str, name: str) -> Any:
    """Plain values from YAML.

    Args:
        text: At most `LARGEST_BYTES` characters.
        name: What the text is, for the message.

    Raises:
        ConfigError: It is no YAML, uses anchors or tags, holds a key twice, or is too large.
    """
    if len(text) > LARGEST_BYTES:
        raise ConfigError(f"{name} has {len(text):,} characters; settings take less.", _ADVICE)
    try:
        return yaml.load(text, _Loader)  # noqa: S506, it is a safe loader
    except RecursionError as error:
        raise ConfigError(f"{name} is nested too deeply.", _ADVICE) from error
    except (yaml.YAMLError, ValueError, OverflowError, LookupError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"{name} is no YAML for settings: {reason}.", _ADVICE) from error
