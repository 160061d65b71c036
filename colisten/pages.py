"""The one place where a page is put together and written.

Values of the tables are shown on pages and never run there. Two things see to it, each on its
own: a value enters markup through a template of `colisten.reports` or through `escape`, the text of
a figure through `figure_text`, Markdown through `markdown_text` and a script through `json_text`;
and every page carries a policy (Content Security Policy) under which the browser runs the page's
own scripts alone, known by their digests, loads nothing from anywhere and sends nothing, so a
value that slipped through does nothing either.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NewType

from colisten.files import write_aside
from colisten.json_files import to_json
from colisten.shown import plain

Page = NewType("Page", str)
"""A whole page, as `page` makes it; nothing else is written with `write_page`."""

_END_OF_SCRIPT = re.compile(r"</script|<!--", re.IGNORECASE)
_IN_SCRIPT = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
_IN_FIGURE = {ord(sign): f"&#{ord(sign)};" for sign in "&<>"}
_MARKDOWN = re.compile(r"[!-/:-@\[-`{-~]")


def escape(value: object) -> str:
    """A value as text of markup or of a quoted attribute; never of a script or a style."""
    return html.escape(plain(value))


def figure_text(value: object) -> str:
    """A value as text of a plotly figure, which reads tags, links and entities in any text."""
    return plain(value).translate(_IN_FIGURE)


def markdown_text(value: object) -> str:
    """A value as text of Markdown, where every sign may mean something."""
    return _MARKDOWN.sub(lambda match: "\\" + match[0], plain(value))


def json_text(value: Any) -> str:
    """A value as strict JSON that may stand in a script: no character of it ends the script.

    Raises:
        TypeError: JSON cannot hold it.
    """
    return to_json(value).translate(_IN_SCRIPT)


def page(title: str, body: str, *, style: str = "", scripts: Sequence[str] = ()) -> Page:
    """A whole page with its policy, the same for the same arguments.

    Args:
        title: What the browser's tab says; a value like any other.
        body: Markup. Values in it went through `escape` or a template; it holds no `style`
            attribute, no handler and no script, which the policy would refuse.
        style: Style sheet.
        scripts: Run in this order when the body is there. Values in them went through
            `json_text`.

    Raises:
        ValueError: A script holds what would end it, or a style sheet does.
    """
    for script in scripts:
        if match := _END_OF_SCRIPT.search(script):
            raise ValueError(f"A script holds '{match[0]}', which a browser may take for its end.")
    if "<" in style:
        raise ValueError("A style sheet holds '<'.")
    return Page(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, scripts)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n"
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body>\n</html>\n"
    )


def write_page(target: Path, content: Page) -> None:
    """Write a page whole or not at all, in UTF-8 wherever this runs."""
    with write_aside(target) as aside:
        aside.write_text(content, encoding="utf-8", newline="\n")


def _policy(style: str, scripts: Sequence[str]) -> str:
    """What the browser may do on the page.

    A page without scripts gets its style sheet and nothing else. What plotly and Evidently's
    script need beside themselves: styles of their own making, on elements and as sheets; `blob:`
    or `data:` for a picture of a figure (plotly's camera); and a font inside the style sheet for
    Evidently's icons. Neither evaluates text, starts a worker or connects to anything.
    """
    rules = {"default-src": "'none'", "style-src": _digest(style)}
    if scripts:
        rules |= {
            "script-src": " ".join(map(_digest, scripts)),
            "style-src": "'unsafe-inline'",
            "img-src": "data: blob:",
            "font-src": "data:",
        }
    rules |= {"base-uri": "'none'", "form-action": "'none'"}
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def _digest(text: str) -> str:
    """The name under which a policy knows an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
