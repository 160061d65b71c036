"""What a value from outside may look like where people read it: on pages, terminals, in logs.

A title, a country or an id may hold anything. Three kinds of characters do something instead of
showing something: control characters (a terminal obeys them, a line break forges a line of a
log), those that reorder the text around them, and halves of a surrogate pair (which no file can
hold). Each is shown as its escape; every other character stays as it is.
"""

from __future__ import annotations

import re

_BREAKS = r"\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029"
# Of the characters that set a direction, those that reach beyond themselves.
_OTHERS = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_BREAK = re.compile(f"[{_BREAKS}]+")
_OTHER = re.compile(f"[{_OTHERS}]")
# JSON itself escapes the other controls, and its own line ends are lines.
_OUTSIDE_ASCII = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAK_BUT_LINES = re.compile(f"[{_BREAKS.replace(chr(92) + 'n', '')}]+")


def plain(value: object) -> str:
    """A value on one line: blanks for line breaks and tabs, escapes for all other controls."""
    return _OTHER.sub(_escaped, _BREAK.sub(" ", str(value)))


def plain_lines(value: object) -> str:
    """As `plain`, but line breaks stay: for text of our own that is several lines long."""
    return _OTHER.sub(_escaped, _BREAK_BUT_LINES.sub(" ", str(value)))


def plain_json(text: str) -> str:
    """A JSON text in which the same characters stand as JSON's own escapes: the same value."""
    return _OUTSIDE_ASCII.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
