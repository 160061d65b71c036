"""Settings of the page that the service shows at `/`."""

from __future__ import annotations

from pydantic import Field

from colisten.settings.section import Section


class PageSettings(Section):
    """Whether there is a page, and what it may show of people; a part of `ServingSettings`."""

    page: bool | None = Field(
        None,
        description="Show the page at /. null: where `colisten serve` listens on this machine "
        "alone (a loopback address).",
    )
    page_users: tuple[str, ...] = Field(
        (),
        max_length=50,
        description="Ids of users that the page offers to whoever opens it; without it one has to "
        "be known to be typed.",
    )
    page_history: bool = Field(
        False, description="Let the page show what a user did, to whoever types their id."
    )
