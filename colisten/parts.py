"""Parts of your own that settings name: `FILE.py:NAME`, or `module:NAME` of an installed one.

A text encoder, a loss of the towers, a baseline: what stands under the name is what the library's
own have under theirs. Only training, measuring and encoding load one; serving a release never does.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from colisten.errors import ConfigError

_OWN = re.compile(r"(?P<home>.+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")


def is_own(word: object) -> bool:
    """Whether a setting's value names a part of your own."""
    return isinstance(word, str) and _OWN.fullmatch(word) is not None


def load_part(setting: str, word: str) -> Any:
    """What stands under a name.

    Args:
        setting: Where it was named, for the message.
        word: `FILE.py:NAME`, the file relative to the working folder, or `module:NAME`.

    Raises:
        ConfigError: There is no such file, module or name, or it cannot be imported.
    """
    match = _OWN.fullmatch(word)
    if match is None:
        raise ConfigError(
            f"{setting} '{word}' names no part.", "Write FILE.py:NAME or module:NAME."
        )
    try:
        return getattr(_module(match["home"]), match["name"])
    except AttributeError as error:
        raise ConfigError(
            f"{setting} '{word}': {match['home']} has no '{match['name']}'.", "Define it there."
        ) from error
    except Exception as error:  # whatever somebody's module does as it is imported
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"{setting} '{word}' cannot be loaded ({reason}).",
            "Name a file relative to the working folder, or an installed module.",
        ) from error


def part_digest(word: str) -> str:
    """SHA-256, 16 hex digits, of the file that a part stands in: another file is another part."""
    match = _OWN.fullmatch(word)
    home = match["home"] if match else word
    file = Path(home)
    if not home.endswith(".py"):
        spec = importlib.util.find_spec(home)
        file = Path(spec.origin) if spec and spec.origin else file
    return hashlib.sha256(file.read_bytes() if file.is_file() else b"").hexdigest()[:16]


def _module(home: str) -> ModuleType:
    if not home.endswith(".py"):
        return import_module(home)
    file = Path(home).resolve(strict=True)
    name = f"colisten_part_{part_digest(home)}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} is no module")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
