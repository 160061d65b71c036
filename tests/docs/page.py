"""A page of the documentation, taken apart: prose, inline code, blocks of code, headings, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code; an indented one has no language.

    Args:
        language: What stands behind the fence.
        code: Its lines.
    """

    language: str
    code: str


@dataclass(frozen=True)
class Page:
    """One page.

    Args:
        name: Its path from the root of the repository.
        text: Its Markdown.
    """

    name: str
    text: str

    @classmethod
    def read(cls, name: str) -> Page:
        return cls(name, (ROOT / name).read_text())

    @property
    def folder(self) -> Path:
        return (ROOT / self.name).parent

    @cached_property
    def blocks(self) -> list[Block]:
        fenced = [
            (match.start(), match[2], match[3].replace("\n" + match[1], "\n"))
            for match in _FENCE.finditer(self.text)
        ]
        indented = [
            (match.start(), "", re.sub(r"(?m)^    ", "", match[1]))
            for match in re.finditer(r"\n\n((?:    .*\n)+)", self._unfenced)
        ]
        return [Block(language, code) for _, language, code in sorted(fenced + indented)]

    @cached_property
    def prose(self) -> str:
        """What is no block of code."""
        return re.sub(r"(?<=\n\n)(?:    .*\n)+", "", self._unfenced)

    @cached_property
    def spans(self) -> list[str]:
        """What stands in backticks within the prose."""
        return [re.sub(r"\s+", " ", text) for text in re.findall(r"`([^`]+)`", self.prose)]

    @cached_property
    def links(self) -> list[str]:
        return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", self.prose))

    @cached_property
    def anchors(self) -> set[str]:
        headings = re.findall(r"(?m)^#+ (.*)$", self._unfenced)
        plain = [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading) for heading in headings]
        return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in plain}

    @cached_property
    def _unfenced(self) -> str:
        """The text with blanks where fenced blocks were, so that places stay what they are."""
        return _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), self.text)


def pages() -> list[str]:
    """Every page that is checked."""
    docs = sorted(file.relative_to(ROOT).as_posix() for file in (ROOT / "docs").glob("*.md"))
    return ["README.md", "CONTRIBUTING.md", *docs]
