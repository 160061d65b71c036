"""What is kept of an answer of the service: its rung, or all that it shows."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

# Parsing every answer would cost more than asking.
_HOW = re.compile(rb'"vector": ?"(\w+)", ?"search": ?"(\w+)", ?"fallbacks": ?\[([^]]*)\]')


def rung(_: int, status: int, answer: bytes) -> str:
    """The stages of the fallback chain that made a shelf: vector, search and what was left."""
    if status != 200:
        return ""
    how = _HOW.search(answer)
    if how is None:
        return "answered"
    vector, search, fallbacks = (part.decode() for part in how.groups())
    left = [each.strip(' "') for each in fallbacks.split(",") if each]
    return " ".join([vector, search, *left])


class Shown(NamedTuple):
    """What an answer showed."""

    rung: str
    release_id: str
    arm: str
    user_id: str
    request_id: str
    items: tuple[str, ...]
    digest: bytes


_NAMED = re.compile(rb'"(release_id|arm|user_id|request_id)": ?"([^"]*)"')
_ITEM = re.compile(rb'"item_id": ?"([^"]*)"')


def shown(number: int, status: int, answer: bytes) -> Shown | None:
    """What a shelf says of itself; None of what is none."""
    if status != 200:
        return None
    head, _, items = answer.partition(b'"items":')
    said = {name.decode(): value.decode() for name, value in _NAMED.findall(head)}
    ids = tuple(each.decode() for each in _ITEM.findall(items))
    digest = hashlib.blake2b(items, digest_size=8).digest()
    return Shown(
        rung(number, status, answer),
        said["release_id"],
        said.get("arm", ""),
        said["user_id"],
        said["request_id"],
        ids,
        digest,
    )
