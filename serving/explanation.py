"""Why a title is on a shelf, as an answer says it where it was asked to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, Field

from colisten.release.explanation import Explained
from colisten.release.loaded import LoadedRelease

_KNOWN = "you know"


class PathItem(BaseModel):
    """A title on the way from what the user did to what is recommended."""

    item_id: str
    title: str | None
    item_type: str
    signal: str | None = Field(description="What the user did with it; null where nothing.")


class HistoryItem(BaseModel):
    """Something that the user did."""

    item_id: str
    title: str | None
    item_type: str
    signal: str = Field(description="What the user did with it.")
    similarity: float = Field(
        description="Cosine of both titles' vectors of text and graph, above 0 and at most 1."
    )


class ScoreParts(BaseModel):
    """What each part of the model adds to `inner_product`; together they are it."""

    taste: float = Field(description="What the towers learned of the user's taste.")
    popularity: float = Field(description="How popular the title is, as much as this user asks.")
    similarity: float = Field(
        description="How near it is to the user's history: kNN and transfer term."
    )


class Explanation(BaseModel):
    """What led to a title; everything in it is of the release that answered."""

    path: list[PathItem] | None = Field(
        description="From something the user did over at most one title to this one, each heard "
        "by people who heard the next; null where the graph knows no way."
    )
    text: str | None = Field(
        description="The path in words; null without one, or where a title on it is not known."
    )
    nearest: list[HistoryItem] = Field(description="Of the user's history, nearest first.")
    parts: ScoreParts | None = Field(description="null where the release does not tell them apart.")


@dataclass(frozen=True)
class Phrases:
    """Words of explanations.

    Attributes:
        reasons: By signal how a sentence begins before a title; `serving.reasons`.
        heard: What people did with titles; `serving.heard`.
    """

    reasons: Mapping[str, str]
    heard: str


def as_answer(release: LoadedRelease, item: int, why: Explained, phrases: Phrases) -> Explanation:
    """One title's explanation in ids, titles and words.

    Args:
        release: Whose titles.
        item: Catalogue index of the recommended title.
        why: What was found.
        phrases: Words.
    """
    path = None
    if why.way is not None:
        between = [] if why.way.via is None else [why.way.via]
        path = [
            _path_item(release, why.way.item, why.way.signal),
            *(_path_item(release, each, None) for each in (*between, item)),
        ]
    return Explanation(
        path=path,
        text=None if path is None else _in_words(path, phrases),
        nearest=[
            HistoryItem(
                item_id=release.item_ids[near.item],
                title=release.titles[near.item],
                item_type=release.item_types[near.item],
                signal=near.signal,
                similarity=near.similarity,
            )
            for near in why.nearest
        ],
        parts=None if why.parts is None else ScoreParts(**why.parts),
    )


def _path_item(release: LoadedRelease, item: int, signal: str | None) -> PathItem:
    return PathItem(
        item_id=release.item_ids[item],
        title=release.titles[item],
        item_type=release.item_types[item],
        signal=signal,
    )


def _in_words(path: list[PathItem], phrases: Phrases) -> str | None:
    first, *between, _ = path
    if any(each.title is None for each in (first, *between)):
        return None
    begin = phrases.reasons.get(first.signal or "", _KNOWN)
    heard = phrases.heard
    if not between:
        return f"{begin} {first.title}, often {heard} by those who also {heard} this"
    via = between[0].title
    return f"{begin} {first.title}, often {heard} by those who {heard} {via}, who also {heard} this"
