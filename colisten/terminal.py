"""The one place that opens a terminal to print on.

What is printed holds values of the tables, and rich reads `[red]`, `[link=...]` and `:smile:` in
any text that it is given. Here it does not: text is text, and what is coloured is a
`rich.text.Text` with a style. Whatever the text, no character of it reaches the terminal that
the terminal would obey.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from colisten.shown import plain, plain_lines

_USUAL_WIDTH = 80


class Terminal(Console):
    """A rich console on which values of the tables can be printed as they are."""

    def __init__(self, **how: Any) -> None:
        super().__init__(markup=False, emoji=False, **how)
        if self.width < 1:  # COLUMNS=0, of a terminal that does not know: rich would print nothing
            self.width = _USUAL_WIDTH

    def render_str(self, text: str, **how: Any) -> Text:
        """As rich does, on one line and with controls as escapes before a width is measured.

        So no value forges a line; text that has several is a `Text` or several prints.
        """
        return super().render_str(plain(text), **how)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As rich does, with controls in text as their escapes; those that rich makes remain."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=plain_lines(segment.text))


def styled(text: str, style: str, *more: str) -> Text:
    """Text in a style, then more in the terminal's own."""
    return Text.assemble((plain(text), style), *(plain_lines(one) for one in more))


def print_error(message: str) -> None:
    """One message to standard error, whatever values it names."""
    print(plain_lines(message), file=sys.stderr)
