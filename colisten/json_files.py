"""JSON that every reader takes: the one place that writes it, and the one that reads it back.

What we write is strict JSON in UTF-8 (RFC 8259). What JSON cannot say is settled here, once:

- A number that is not finite (nan, inf) is `null`: the figure is undefined. Where null would be a
  lie, as in what a release's id is made of, the writer asks for a refusal.
- Half of a surrogate pair, which Python keeps of a file name that is no UTF-8, is written out as
  the six characters of its escape, `\\udc80`.
- numpy scalars and arrays, moments, days, paths, enums, dataclasses and pydantic models become what
  a person would have written. Anything else is a TypeError.

What we read is held to the same: no NaN, no Infinity, no key twice, no half of a pair.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from colisten.errors import JsonError
from colisten.files import write_aside

_Model = TypeVar("_Model", bound=BaseModel)


def to_json(
    value: object,
    *,
    indent: int | None = None,
    sort: bool = False,
    finite: bool = False,
    otherwise: Callable[[object], str] | None = None,
) -> str:
    """A value as one strict JSON text without a line end.

    Args:
        value: Mappings, sequences, sets, texts, numbers and what the module names.
        indent: Blanks a level; None writes one line.
        sort: Order keys, so that equal values give equal texts.
        finite: Refuse a number that is not finite instead of writing null.
        otherwise: Text of a value that JSON cannot hold; None raises.

    Raises:
        ValueError: A number is not finite and `finite` is asked for, two keys are the same in
            JSON, or the value holds itself.
        TypeError: JSON cannot hold the value, and there is no `otherwise`.
    """
    try:
        plain = _Plain(finite, otherwise)(value, "")
        return json.dumps(plain, indent=indent, sort_keys=sort, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise ValueError("The value is nested too deeply for JSON, or holds itself.") from None


def write_json(
    file: Path, value: object, *, indent: int | None = 2, sort: bool = False, finite: bool = False
) -> None:
    """Write `to_json` of a value and a line end; the file appears whole or not at all.

    Raises:
        ValueError, TypeError: As `to_json`, before anything is written.
    """
    text = to_json(value, indent=indent, sort=sort, finite=finite) + "\n"
    with write_aside(file) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def parse_json(text: str | bytes, *, name: str = "The text") -> Any:
    """Read strict JSON.

    Args:
        text: JSON; bytes are UTF-8.
        name: What the text is, for the message.

    Raises:
        JsonError: It is none. The error is a ValueError as well.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        decoded.encode()  # refuses half of a surrogate pair
        value = json.loads(
            decoded, parse_constant=_refused, parse_float=_float, object_pairs_hook=_once
        )
        if "\\ud" in decoded.lower():
            json.dumps(value, ensure_ascii=False).encode()  # as above, where it was an escape
    except (ValueError, RecursionError) as error:
        raise JsonError(f"{name} is no strict JSON: {_reason(error)}.") from error
    return value


def read_json(file: Path) -> Any:
    """Read a file of strict JSON.

    Raises:
        JsonError: It is none. The error is a ValueError as well.
        OSError: The file cannot be read.
    """
    return parse_json(file.read_bytes(), name=str(file))


def read_mapping(file: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object; raises as `read_json`, and where it holds another."""
    value = read_json(file)
    if not isinstance(value, dict):
        raise JsonError(f"{file} holds no JSON object but {_kind(value)}.")
    return value


def read_model(file: Path, model: type[_Model]) -> _Model:
    """Read a file that `write_json` made of a pydantic model.

    Raises:
        JsonError: It is no strict JSON.
        pydantic.ValidationError: It is JSON of another shape.
        OSError: The file cannot be read.
    """
    text = file.read_bytes()
    parse_json(text, name=str(file))
    return model.model_validate_json(text)


class _Plain:
    """Turns values into those that the standard library's writer takes."""

    def __init__(self, finite: bool, otherwise: Callable[[object], str] | None) -> None:
        self._finite = finite
        self._otherwise = otherwise

    def __call__(self, value: Any, where: str) -> Any:
        """The value in dicts, lists, texts, numbers, bools and None; `where` it stands."""
        if isinstance(value, Enum):
            return self(value.value, where)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return _paired(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return self._number(float(value), where)
        return self._compound(value, where)

    def _compound(self, value: Any, where: str) -> Any:
        if isinstance(value, Mapping):
            return self._object(value.items(), where)
        if isinstance(value, BaseModel):
            return self(value.model_dump(), where)
        if is_dataclass(value) and not isinstance(value, type):
            named = ((each.name, getattr(value, each.name)) for each in fields(value))
            return self._object(named, where)
        if isinstance(value, np.ndarray):
            return self(list(value) if value.ndim else value[()], where)
        if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
            return [self(each, f"{where}[{at}]") for at, each in enumerate(value)]
        if isinstance(value, Set):
            return sorted((self(each, where) for each in value), key=json.dumps)
        return self._single(value, where)

    def _single(self, value: Any, where: str) -> Any:
        if isinstance(value, PurePath):
            return _paired(str(value))
        if isinstance(value, (datetime, date, time)):
            # pandas' NaT is a datetime that differs from itself.
            return value.isoformat() if value == value else self._undefined(where)
        if isinstance(value, np.datetime64):
            return self._undefined(where) if np.isnat(value) else str(value)
        if isinstance(value, np.generic) and isinstance(value.item(), (bool, int, float, str)):
            return self(value.item(), where)
        if isinstance(value, Decimal):
            return self._number(float(value), where)
        if type(value).__name__ == "NAType":  # pandas'
            return self._undefined(where)
        if self._otherwise is not None:
            return _paired(self._otherwise(value))
        raise TypeError(f"JSON holds no {type(value).__name__} ({where.lstrip('.') or 'whole'}).")

    def _object(self, pairs: Any, where: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in pairs:
            plain = self(key, where)
            name = plain if isinstance(plain, str) else json.dumps(plain)
            if name in values:
                raise ValueError(f"Two keys are '{name}' in JSON ({where.lstrip('.') or 'whole'}).")
            values[name] = self(value, f"{where}.{name}")
        return values

    def _number(self, value: float, where: str) -> float | None:
        return value if math.isfinite(value) else self._undefined(where)

    def _undefined(self, where: str) -> float | None:
        if self._finite:
            raise ValueError(f"{where.lstrip('.') or 'The value'} is not finite.")
        return None


def _paired(text: str) -> str:
    """The text, with halves of surrogate pairs spelled out."""
    return text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no number there")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is larger than any number we can hold")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{_paired(twice)}' is there twice")
    return values


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeEncodeError):
        return "it holds half of a surrogate pair"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(error)


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else f"the value {to_json(value)[:40]}"
