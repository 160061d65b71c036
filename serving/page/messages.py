"""What the page asks beside the API, and what it is answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from colisten.serving.requests import Id, Request
from colisten.settings.data import FilterKind

MAX_TEXT = 200


class TitlesRequest(Request):
    """Ask for items by a part of their title, or by their id."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class HistoryRequest(Request):
    """Ask for what a user did (answered only where `serving.page_history` is on)."""

    user_id: Id


class Item(BaseModel):
    """An item of the catalogue."""

    item_id: str
    item_type: str
    title: str | None


class Titles(BaseModel):
    """Items whose title was asked for; `more` says whether there are others."""

    items: list[Item]
    more: bool


class Did(Item):
    """One event of a history."""

    signal: str
    timestamp: str = Field(description="UTC, ISO 8601.")


class History(BaseModel):
    """The events of a user, the latest first; `known` says whether the store has the user."""

    release_id: str
    user_id: str
    known: bool
    events: list[Did]


class Value(BaseModel):
    """A keyword and how many items have it."""

    value: str
    items: int


class Column(BaseModel):
    """A column that shelves can be filtered by.

    Attributes:
        values: Of keywords, the most frequent ones; `more` where there are others.
        min, max: Of numbers, or of moments as ISO 8601; None where no item has one.
    """

    name: str
    kind: FilterKind
    values: list[Value] = []
    more: bool = False
    min: float | str | None = None
    max: float | str | None = None


class About(BaseModel):
    """What the page offers: of the live release, and what the operator lets it show."""

    release_id: str
    target_type: str
    types: list[str]
    signals: list[str]
    reasons: dict[str, str] = Field(description="`serving.reasons`.")
    heard: str = Field(description="`serving.heard`.")
    columns: list[Column]
    users: list[str]
    history: bool
