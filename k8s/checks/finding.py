"""Something that is wrong, by the name of the check that found it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """What a check found.

    Attributes:
        check: Its name, one of `k8s.checks.run.CHECKS`.
        where: The object, as kind/name.
        text: What is wrong, and what to do.
    """

    check: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.check}: {self.where}: {self.text}"
