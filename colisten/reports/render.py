"""Pages from the templates beside this file, all in one theme."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from colisten.pages import Page, page
from colisten.shown import plain

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, title: str, *, scripts: Sequence[str] = (), **values: object) -> Page:
    """A page of one of `templates/`, the same bytes for the same values.

    Args:
        template: Name of the file, without its ending.
        title: What the browser's tab says, and `title` in the template.
        scripts: As `colisten.pages.page` takes them.
        values: Names that the template reads; whatever it shows of them is escaped.
    """
    body = _environment().get_template(f"{template}.jinja").render(title=title, **values)
    return page(title, body, style=theme(), scripts=scripts)


@cache
def theme() -> str:
    """The style sheet of every page."""
    return (_TEMPLATES / "theme.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else plain(value),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
