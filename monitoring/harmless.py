"""Text that nothing runs, obeys or takes for markup, for a page that is not ours.

Evidently's UI draws what it is given with React, Markdown and plotly, and its download writes a
report into a script as it is. There is no one way to escape for all of them, so what is handed to
it holds no sign that means anything to any of them: those of ASCII stand as twins from elsewhere in
Unicode, which look alike. The one place where text for Evidently's workspace is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from colisten.shown import plain

LONGEST = 2_000
"""Characters of one text; a name of a column may be of any length."""

# Signs without a meaning in markup, scripts, Markdown or plotly's text.
_KEPT = frozenset(" -_.,:;%+=()!?")
_TWIN = 0xFEE0
# Twins that more fonts have than the full-width ones.
_MEANING = "<>'\"/\\*`#^|~"
_BETTER = dict(
    zip(
        _MEANING,
        "\u2039\u203a\u2019\u201d\u2215\u2216\u2217\u02cb\u266f\u02c6\u2223\u223c",
        strict=True,
    )
)
_TEXTS = {
    code: _BETTER.get(chr(code), chr(code + _TWIN))
    for code in range(0x21, 0x7F)
    if not chr(code).isalnum() and chr(code) not in _KEPT
}
_NOTHING = "(no name)"


def harmless(text: object) -> str:
    """A value on one line, its signs of markup as signs that look like them."""
    shown = plain(text).translate(_TEXTS)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}\u2026"


def harmless_names(names: Iterable[str]) -> dict[str, str]:
    """By name its harmless text; two names that became alike are numbered, so that none merge."""
    made: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        text, number = harmless(name).strip() or _NOTHING, 1
        first = text
        while text in taken:
            number += 1
            text = f"{first} ({number})"
        taken.add(text)
        made[name] = text
    return made


def harmless_tree(tree: Any) -> Any:
    """A tree of JSON whose every text and key is harmless."""
    if isinstance(tree, str):
        return harmless(tree)
    if isinstance(tree, Mapping):
        return {harmless(name): harmless_tree(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [harmless_tree(each) for each in tree]
    return tree
