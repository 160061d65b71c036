"""What a list says of a release."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReleaseState:
    """One line of the list.

    Attributes:
        release_id: Its name.
        state: live, previous, or candidate.
        as_of: The cut it was learned at.
        published_at, promoted_at: From the journal, latest; None where it has no line.
    """

    release_id: str
    state: str
    as_of: str
    published_at: str | None
    promoted_at: str | None
