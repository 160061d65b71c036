"""What people look at: pages, figures, a table of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Self

from colisten.data import parquet
from colisten.json_files import read_mapping, write_json
from colisten.pages import Page, write_page
from colisten.steps.artifacts.base import Artifact, link


@dataclass(frozen=True)
class HtmlPage(Artifact):
    """A page for people.

    Attributes:
        content: The page, or the file that it was written to.
    """

    content: Page | Path

    @classmethod
    def of_curve(cls, curve: Sequence[Mapping[str, float]], *, title: str, x: str = "step") -> Self:
        """A learning curve.

        How it is drawn changes nothing that training makes: its module is asked for by name, so
        that no step reaches it and an edit of pages repeats no training.
        """
        drawn: Page = import_module("colisten.reports.curve").curve_html(curve, title=title, x=x)
        return cls(drawn)

    def _write(self, place: Path) -> None:
        if isinstance(self.content, Path):
            link(self.content, place)
        else:
            write_page(place, self.content)

    @classmethod
    def _read(cls, place: Path) -> Self:
        return cls(place)


@dataclass(frozen=True)
class Metrics(Artifact):
    """Figures worth logging; one that is not finite is null in the file.

    Attributes:
        figures: By name.
    """

    figures: Mapping[str, float | None]

    def _write(self, place: Path) -> None:
        write_json(place, self.figures, indent=None)

    @classmethod
    def _read(cls, place: Path) -> Self:
        return cls(read_mapping(place))


@dataclass(frozen=True)
class TableFile(Artifact):
    """One parquet file.

    Attributes:
        file: Where it lies.
    """

    file: Path

    def _write(self, place: Path) -> None:
        link(self.file, place)

    @classmethod
    def _read(cls, place: Path) -> Self:
        with parquet.opened(place):
            return cls(place)
