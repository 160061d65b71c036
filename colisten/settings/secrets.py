"""No secret stands in settings: they travel into files, variables, logs and pipeline parameters.

What is secret is named, not said: `${VARIABLE}` in a connection string, which is filled in where
the connection is made, or the variable that a server's token is read from.
"""

from __future__ import annotations

import re

from pydantic_core import PydanticCustomError

SPELLED_OUT = "secret_literal"
"""Type of the error of a value that holds one."""

_REFERENCE = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"
_KEY = (
    r"[\w-]*(?:passw(?:or)?d|passphrase|token|secret|api[_-]?key|access[_-]?key|credential)[\w-]*"
)
_LITERALS = (
    # password=...,  as in a connection string or a query
    re.compile(rf"(?i)\b{_KEY}\s*=\s*(?!{_REFERENCE}(?:$|[\s,;&/]))[^\s,;&]"),
    # scheme://user:password@host, with or without the user or the password
    re.compile(rf"://(?:[^/\s?#@:]*:)?(?!{_REFERENCE}@)[^/\s@:]+@"),
    # what access keys of the large clouds look like
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
)


def without_secrets(value: object) -> None:
    """Refuse a value of a setting that spells out a secret; the message does not repeat it.

    Raises:
        PydanticCustomError: It does, or a text inside it.
    """
    if isinstance(value, str):
        if any(literal.search(value) for literal in _LITERALS):
            raise PydanticCustomError(
                SPELLED_OUT, "it spells out a secret, as in password=... or user:password@host"
            )
    elif isinstance(value, dict):
        for key, inner in value.items():
            without_secrets(key)
            without_secrets(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            without_secrets(inner)
