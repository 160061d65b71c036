"""Words that options take: an unknown one is an error that names the nearest, never a default."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any, TypeVar

from colisten.errors import ColistenError, ConfigError

Word = TypeVar("Word")
# A sentence that lists more than these reads badly; the nearest is named in any case.
LISTED = 12
LONGEST = 80
_LONGEST_IDENTIFIER = 64


def nearest(word: object, known: Collection[Word]) -> Word | None:
    """The known word most like `word`, in any case of letters; None where nothing is known."""
    spelt = {str(each).casefold(): each for each in known}
    close = difflib.get_close_matches(str(word)[:LONGEST].casefold(), spelt, n=1, cutoff=0.0)
    return spelt[close[0]] if close else None


def advice(word: object, known: Collection[object]) -> str:
    """What to write in place of an unknown word, in one sentence."""
    near = nearest(word, known)
    if near is None:
        return "None is known here."
    if not 1 < len(known) <= LISTED:
        return f"The nearest known one is {near!r}."
    return f"The nearest known one is {near!r}, of {', '.join(repr(each) for each in known)}."


def known_word(
    what: str,
    word: object,
    known: Collection[Word],
    error: type[ColistenError] = ConfigError,
) -> Word:
    """`word`, where it is among the known ones.

    Args:
        what: What the word is for, as it stands in the sentence: `graph.weights`, `relation`.
        word: What was given.
        known: Every word that means something, in the order people should read them.
        error: Class of the refusal.

    Raises:
        ColistenError: The word is unknown, as `error`; the message names the nearest known one.
    """
    for each in known:
        # True equals 1 in Python and means something else; another kind may compare anyhow.
        alike = isinstance(word, type(each)) and isinstance(word, bool) == isinstance(each, bool)
        if alike and word == each:
            return each
    raise error(f"{what} {shown(word)} is unknown.", advice(word, known))


def literal_words(fault: Mapping[str, Any]) -> list[str]:
    """The words that a pydantic `literal_error` expected, in the order of the `Literal`."""
    # pydantic says them in one sentence: 'a', 'b' or 'c'.
    return re.findall(r"'([^']*)'", fault["ctx"]["expected"])


def shown(value: object) -> str:
    """What was given, as a sentence can hold it: one line, not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def counted(count: int, noun: str) -> str:
    """How many there are of what: `1 row`, `2,608 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def identifier(name: str) -> str:
    """A name of a type or signal as files and feature fields can hold it; no two names meet.

    Small ASCII letters and digits stay as they are, also single underscores between them;
    everything else becomes `_x` and its code point in hexadecimal: `tv show` is `tv_x20_show`.
    Capitals too, for databases and some file systems take them for small letters. What becomes
    too long for a file ends in a digest of the name.
    """
    safe = re.sub(r"[^a-z0-9_]|_(?=_|x|$)|^_", lambda match: f"_x{ord(match.group()):x}_", name)
    if len(safe) <= _LONGEST_IDENTIFIER:
        return safe
    return f"{safe[:40]}_x_{sha256(name.encode()).hexdigest()[:16]}"
