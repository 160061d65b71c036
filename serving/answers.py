"""What the service answers: one model a message."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel, WithJsonSchema

from colisten.serving.explanation import Explanation
from colisten.serving.problems import Problem
from colisten.settings.index import INDEX_BACKENDS

VectorSource = Literal["two_tower", "popular_country", "popular", "item"]
SearchSource = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [*INDEX_BACKENDS, "popular"]})
]


class UnknownValue(BaseModel):
    """A value that was asked for and that nothing in the release has."""

    field: str
    value: str


class How(BaseModel):
    """By which stages of the fallback chain an answer was made."""

    vector: VectorSource = Field(
        description="two_tower: the user tower; item: an item's own vector; else which list."
    )
    search: SearchSource = Field(description="Where the nearest items were found.")
    fallbacks: list[str] = Field(
        description="Why each stage above was left, in order; often empty."
    )
    unknown: list[UnknownValue] = Field(
        default_factory=list,
        description="Languages and keywords of the filter that nothing in the release has.",
    )


class ShelfItem(BaseModel):
    """One recommended item."""

    item_id: str
    title: str | None
    rank: int = Field(description="From 1.")
    score: float | None = Field(
        description="Probability that this user starts it within the days of the release's window; "
        "null for popular and similar items, and where the release has learned none."
    )
    inner_product: float | None = Field(
        description="Of unit vectors: what the shelf is ordered by; the cosine for similar items, "
        "null for popular ones, which are only ordered."
    )
    why: str | None = Field(description="A reason to show; null where there is none.")
    explanation: Explanation | None = Field(
        None, description="What led to it; null unless the request says `explain`."
    )


class Shelf(BaseModel):
    """A shelf; every part of it comes from the one release it names."""

    request_id: str = Field(description="Of this answer alone; events can name it.")
    arm: str | None = Field(
        description="Arm of the experiment that was shown; null for nobody that is known."
    )
    release_id: str
    user_id: str | None
    how: How
    items: list[ShelfItem]


class ShelfEntry(BaseModel):
    """What became of one of several requests."""

    status: int = Field(description="As if it had been asked alone.")
    shelf: Shelf | None = Field(description="Where the status is 200.")
    problem: Problem | None = Field(description="Where it is not.")


class Shelves(BaseModel):
    """Several shelves, in the order of the requests."""

    answers: list[ShelfEntry]


class Similar(BaseModel):
    """Items near to one."""

    release_id: str
    item_id: str
    how: How
    items: list[ShelfItem]


class Accepted(BaseModel):
    """The event is in the online store, the next answer sees it."""

    accepted: Literal[True] = True
    new: bool = Field(
        description="False where it was stored before, or is older than all that is kept."
    )
    known_item: bool = Field(
        description="Whether the live release has the item; if not, it counts from the next one."
    )


class EventEntry(BaseModel):
    """What became of one of several events."""

    position: int = Field(description="Among the events that were sent, from 0.")
    status: int = Field(description="As if it had been sent alone.")
    new: bool | None = Field(description="As of an event alone; null where it is refused.")
    known_item: bool | None = Field(description="As of an event alone; null where it is refused.")
    problem: Problem | None = Field(description="Why it is refused; null where it is not.")


class AcceptedBatch(BaseModel):
    """What became of several events, in the order that they were sent in."""

    accepted: int = Field(description="How many are in the online store.")
    refused: int = Field(description="How many are not.")
    events: list[EventEntry]


class EventsAnswer(RootModel[Accepted | AcceptedBatch]):
    """Of one event, or of several."""


class Health(BaseModel):
    """The worker that answers is ready."""

    ready: Literal[True] = True
    release_id: str = Field(description="What is served.")


class PartInfo(BaseModel):
    """How one part of the worker that answers is."""

    ok: bool
    reason: str | None = Field(description="A word for what is wrong; null where nothing is.")
    why: str | None = Field(description="The same as a sentence.")
    since: str = Field(description="Since when it is so, UTC.")


class ArmInfo(BaseModel):
    """One arm of the experiment."""

    share: float = Field(description="Share of users, 0 to 1.")
    shows: str = Field(description="live, popular, or the id of a release.")
    release_id: str = Field(description="What it is answered from now.")


class LogInfo(BaseModel):
    """What became of the answers, or events, of the worker that answers."""

    taken: int
    written: int
    lost: int = Field(description="Not written, because too many were waiting.")
    waiting: int = Field(description="Still to be written.")


class ReleaseInfo(BaseModel):
    """The release in use, and what answers stand on."""

    release_id: str = Field(description="What is served.")
    loaded_at: str = Field(description="When this process took it up, UTC.")
    items: int = Field(description="Items of all types in its catalogue.")
    target_items: int = Field(description="Items that can be recommended.")
    index: SearchSource = Field(description="Where its vectors are searched now.")
    live: str | None = Field(
        description="What the LIVE pointer says; where it is another release than is served, "
        "`parts.release` says why. Null where it says none."
    )
    parts: dict[str, PartInfo] = Field(
        description="What answers stand on: the release, its files, the features, the index; and "
        "the store, the releases of arms, and the log of what is shown."
    )
    arms: dict[str, ArmInfo]
    log: dict[str, LogInfo] | None = Field(
        description="Of what is shown and done, by table; null where `serving.exposures` is off."
    )


class Vector(BaseModel):
    """A user's vector."""

    release_id: str
    user_id: str
    known: bool
    vector: list[float]
