"""What `recommend` and `similar` share: their options and how a shelf is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from colisten.errors import ConfigError
from colisten.terminal import Terminal

if TYPE_CHECKING:
    from colisten.release.front import Recommendation, Release

KOption = Annotated[
    int, typer.Option("-k", "--k", min=1, max=16384, help="Items wanted; fewer come if fewer fit.")
]
ReleaseOption = Annotated[
    str | None,
    typer.Option("--release", metavar="ID", help="Which release; default: the live one."),
]
EMPTY = "  No item: the filter passes none, or all that it passes were started."


def opened(out: Path, release_id: str | None) -> Release:
    """A release of a run's folder.

    Raises:
        ConfigError: There is no such folder.
        ReleaseNotFound, ReleaseCorrupt: See `load_release`.
    """
    from colisten.release.front import load_release

    if not out.is_dir():
        raise ConfigError(f"No folder {out}.", "Give the --out of `colisten run`.")
    return load_release(out, release_id)


def shown_score(score: float | None, inner_product: float | None) -> str:
    """A probability in percent; where there is none, what the shelf is ordered by."""
    if score is not None:
        return f"{score:.2%}"
    return "" if inner_product is None else f"{inner_product:.3f}"


def print_shelf(title: str, items: Sequence[Recommendation]) -> None:
    """Draw a shelf as a table; says so where it is empty."""
    console = Terminal()
    if not items:
        console.print(title, soft_wrap=True, highlight=False)
        console.print(EMPTY, soft_wrap=True, highlight=False)
        return
    table = Table(title=Text(title), title_justify="left")
    for column in ("", "item", "title", "score", "why"):
        table.add_column(column, justify="right" if column in ("", "score") else "left")
    for each in items:
        score = shown_score(each.score, each.inner_product)
        cells = (each.item_id, each.title or "", score, each.why or "")
        table.add_row(str(each.rank), *map(Text, cells))
    console.print(table)
