"""The journal in the bucket: one object a line, numbered from one, created once and never changed.

Whoever creates the next number has written it; nobody else can. So the numbers are the order of
what happened, and a line is the moment at which it became so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from colisten.errors import StoreChanged, StoreError
from colisten.json_files import parse_json
from colisten.release.lineage import MADE_LIVE
from colisten.release.manifest import is_release_id
from colisten.release.pointer import Pointer
from colisten.store.bucket import Bucket, Listed

JOURNAL = "journal/"
_DIGITS = 10
_MOST_BYTES = 1 << 20
_AT_A_TIME = 8


def line_name(number: int) -> str:
    """The object of a line."""
    return f"{JOURNAL}{number:0{_DIGITS}d}.json"


def listed_lines(bucket: Bucket, known: int) -> list[Listed]:
    """Lines from number `known` on, the last known one included.

    Raises:
        StoreError: One of them is missing.
    """
    first = max(known, 1)
    after = line_name(known - 1) if known > 1 else None
    listed = bucket.names(JOURNAL, after=after)
    for number, one in enumerate(listed, start=first):
        if one.name != line_name(number):
            raise StoreError(
                f"{bucket.address} holds {one.name} where {line_name(number)} should be.",
                "Lines of the journal are never removed: restore it from the bucket's versions.",
            )
    if known and not listed:
        raise StoreError(
            f"{bucket.address} lacks {line_name(known)}, which was there before.",
            "It is another store than the one that was mirrored, or was emptied.",
        )
    return listed


def read_lines(bucket: Bucket, names: Sequence[str]) -> list[bytes]:
    """The text of lines, in order.

    Raises:
        StoreError: One is no line of a journal.
    """
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(lambda name: _read(bucket, name), names))


def append_line(bucket: Bucket, number: int, line: bytes) -> None:
    """Write a line, which from now on is so.

    Raises:
        StoreChanged: Another writer wrote that number.
    """
    if not bucket.create(line_name(number), line):
        raise changed(bucket)


def changed(bucket: Bucket) -> StoreChanged:
    """That another writer was first, and what is live now."""
    found = listed_lines(bucket, 0)
    pointer = pointer_of(entries_of(read_lines(bucket, [one.name for one in found])))
    live = "nothing" if pointer is None else pointer.release_id
    return StoreChanged(
        f"Another writer was first in {bucket.address}: {live} is live there.",
        "Nothing of this is served. Look at `release list`, and do it again if it still holds.",
    )


def entries_of(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """Lines as what they say, oldest first."""
    return [parse_json(line) for line in lines]


def pointer_of(entries: Iterable[dict[str, Any]]) -> Pointer | None:
    """Which release the lines have made live, and which was before it; None before any was."""
    for entry in reversed(list(entries)):
        if entry["event"] in MADE_LIVE:
            return Pointer(entry["release_id"], entry.get("previous"))
    return None


def kept(entries: Iterable[dict[str, Any]]) -> list[str]:
    """Releases that were published and not pruned since, in the order of publication."""
    there: dict[str, None] = {}
    for entry in entries:
        if entry["event"] == "published":
            there[entry["release_id"]] = None
        elif entry["event"] == "pruned":
            there.pop(entry["release_id"], None)
    return list(there)


def _read(bucket: Bucket, name: str) -> bytes:
    line = bucket.read(name, most=_MOST_BYTES)
    fault = StoreError(
        f"{bucket.address}/{name} is no line of a journal.",
        "Restore it from the bucket's versions.",
    )
    if line is None or b"\n" in line or b"\r" in line:
        raise fault
    try:
        entry = parse_json(line)
    except ValueError as error:
        raise fault from error
    if not isinstance(entry, dict) or not {"at", "event", "release_id"} <= entry.keys():
        raise fault
    named = (entry["release_id"], *([entry["previous"]] if entry.get("previous") else []))
    if not all(isinstance(one, str) and is_release_id(one) for one in named):
        raise fault
    return line
