"""What the simulated worlds are to show, and whether the committed results show it.

A claim is a difference in HR@10, paired by world, and what has to hold of it. It is checked anew
from the result files, so a claim that no longer holds says so on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import links, worlds
from benchmarks.pairs import known_result
from colisten.ablations.registry import FULL

Gap = Mapping[str, float] | None


@dataclass(frozen=True)
class Claim:
    """One thing to show.

    Attributes:
        words: What is claimed.
        gap: Mean and interval of the difference; None where nobody has measured it yet.
        holds: What has to be so of that.
    """

    words: str
    gap: Gap
    holds: Callable[[Mapping[str, float]], bool]

    @property
    def verdict(self) -> str:
        """`yes`, `no` or `not measured`."""
        if self.gap is None:
            return "not measured"
        return "yes" if self.holds(self.gap) else "no"


def surely_above(gap: Mapping[str, float]) -> bool:
    """Whether the interval lies above zero."""
    return gap["low"] > 0


def not_surely_below(gap: Mapping[str, float]) -> bool:
    """Whether the interval reaches zero or lies above it."""
    return gap["high"] >= 0


def claims() -> list[Claim]:
    """Every claim, with what the committed results say of it."""
    world, with_links = known_result(worlds.NAME) or {}, known_result(links.NAME) or {}
    leads: dict[str, Any] = world.get(f"{FULL} minus", {})

    def lead(model: str, part: str) -> Gap:
        found: Gap = leads.get(model, {}).get(f"{part} HR@10")
        return found

    twice: Gap = with_links.get("HR@10", {}).get(worlds.NEW, {}).get(links.TWICE)
    return [
        *(
            Claim(
                f"{FULL} above {worlds.WITHOUT}, {part}", lead(worlds.WITHOUT, part), surely_above
            )
            for part in ("all", "cold", *worlds.TAIL)
        ),
        Claim(
            f"{FULL} no worse than text-KNN, {worlds.NEW}",
            lead("text-KNN", worlds.NEW),
            not_surely_below,
        ),
        Claim(
            f"{FULL} with links no worse than twice text-KNN, {worlds.NEW}", twice, not_surely_below
        ),
        *(
            Claim(f"{each.name} not above {FULL}, {part}", lead(each.name, part), not_surely_below)
            for each in worlds.ROWS
            for part in ("all", "cold")
        ),
    ]


def markdown() -> str:
    """The claims as a table."""
    lines = [f"| claim, in HR@10 | {FULL} minus the other | shown |", "|---|---|---|"]
    for each in claims():
        told = "–" if each.gap is None else worlds.told(each.gap)
        lines.append(f"| {each.words} | {told} | {each.verdict} |")
    return "\n".join(lines)
