"""What the service is asked and what it answers: one model a message, strict on the way in.

A request with a field that is unknown, of the wrong type or out of range is refused with the
field's name. Ids, moments, languages and countries go through the rules of the tables: what is
trained can be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
    WithJsonSchema,
)

from colisten.data.countries import country_of
from colisten.data.ids import MAX_ID_BYTES, id_fault
from colisten.data.languages import wanted_language
from colisten.data.moments import EARLIEST, parse_moment
from colisten.errors import ConfigError, EventRefused
from colisten.features.events import check_moment
from colisten.settings.section import Name
from colisten.settings.sections import INDEX_BACKENDS

MAX_ITEMS = 100
MAX_EXCLUDED = 1000
MAX_VALUES = 1000
MAX_COLUMNS = 32
MAX_ERRORS = 100
_MAX_DISTINCT = 2_000
# An event of the two longest ids fits, each of their bytes written as \u0000.
MAX_BODY_BYTES = 1024 * 1024
_FIELD_CHARS = 100


def _id(text: str) -> str:
    if fault := id_fault(text):
        raise ValueError(fault)
    return text


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = parse_moment(value, "The moment", zone_needed=True)
        check_moment(moment)
    except (ConfigError, EventRefused) as error:
        raise ValueError(str(error)) from error
    return moment


def _language(text: str) -> str:
    try:
        return wanted_language(text)
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _filter_value(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a text or a number")
    return value


def _few_columns(value: object) -> object:
    # Before the values are looked at: a body holds hundreds of thousands of them.
    if isinstance(value, dict) and len(value) > MAX_COLUMNS:
        raise ValueError(f"has {len(value):,} columns; at most {MAX_COLUMNS} can be asked")
    return value


Id = Annotated[
    str,
    AfterValidator(_id),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "description": f"At most {MAX_ID_BYTES:,} bytes."}
    ),
]
# Text is read as the shell reads `--at`; a `datetime` in this process is judged with its event.
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
# The rules that the tables went through: what they call `sv` and `SE` is found as `sv_SE` and `se`.
Language = Annotated[str, AfterValidator(_language)]
Country = Annotated[str, Field(min_length=1), AfterValidator(country_of)]
Count = Annotated[int, Field(ge=1, le=MAX_ITEMS)]

VectorSource = Literal["two_tower", "popular_country", "popular", "item"]
SearchSource = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [*INDEX_BACKENDS, "popular"]})
]
# The kind of a value is that of its column, which the release declares.
FilterValue = Annotated[
    Any, AfterValidator(_filter_value), WithJsonSchema({"type": ["string", "number"]})
]
FilterValues = Annotated[list[FilterValue], FailFast(), Field(min_length=1, max_length=MAX_VALUES)]
_Asked = TypeVar("_Asked")
Columns = Annotated[dict[str, _Asked], BeforeValidator(_few_columns), Field(max_length=MAX_COLUMNS)]


class Request(BaseModel):
    """A body that refuses fields it does not know and values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RangeRequest(Request):
    """Both ends belong to the range; null leaves one open."""

    min: FilterValue | None = None
    max: FilterValue | None = None


class FilterRequest(Request):
    """Which items may come back, by the columns that the release declares.

    A moment is a text as ISO 8601 with a time zone.
    """

    include: Columns[FilterValues] = Field(
        default_factory=dict,
        description="Per column the values of which an item must have one.",
    )
    exclude: Columns[FilterValues] = Field(
        default_factory=dict, description="Per column the values that no item of the answer has."
    )
    ranges: Columns[RangeRequest] = Field(
        default_factory=dict,
        description="Per column of numbers or moments its least and greatest value.",
    )


class RecommendRequest(Request):
    """Ask for a shelf for one user."""

    user_id: Id = Field(description="Whose shelf.")
    k: Count = Field(10, description="Items wanted; fewer come back where fewer fit.")
    language: Language | None = Field(
        None, description="Only items in this language, as a tag such as en or pt-BR."
    )
    filter: FilterRequest | None = Field(None, description="Which items may come back.")
    exclude: Annotated[list[Id], Field(max_length=MAX_EXCLUDED)] = Field(
        default_factory=list, description="Item ids that must not come back."
    )
    country: Country | None = Field(
        None, description="Used for the popular fallback where the user's country is not known."
    )
    surface: Name | None = Field(
        None, description="Where it is to be shown, such as home; kept with what was shown."
    )
    arm: Name | None = Field(
        None,
        description="For tests: the arm to answer by, whoever the user is. Nothing is kept of it.",
    )


class SimilarRequest(Request):
    """Ask for the items of the recommended type nearest to any item of the catalogue."""

    item_id: Id = Field(description="An item of any type.")
    k: Count = Field(10, description="Items wanted; fewer come back where fewer fit.")
    language: Language | None = Field(
        None, description="Only items in this language, as a tag such as en or pt-BR."
    )
    filter: FilterRequest | None = Field(None, description="Which items may come back.")


class EventRequest(Request):
    """One thing a user just did."""

    user_id: Id = Field(description="Who did it.")
    item_id: Id = Field(description="To which item.")
    item_type: str = Field(description="The item's type.")
    signal: str = Field(description="What was done.")
    timestamp: Moment = Field(
        description="When, as ISO 8601 with a time zone; "
        f"not before {EARLIEST:%Y-%m-%d}, not in the future."
    )
    recommendation_id: Id | None = Field(
        None, description="The `request_id` of the answer that it came of, where it came of one."
    )


class VectorRequest(Request):
    """Ask for a user's vector (answered only where `serving.debug_vectors` is on)."""

    user_id: Id = Field(description="Whose vector.")


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
        description="Inner product of unit vectors; null for popular items, which are only ordered."
    )
    why: str | None = Field(description="A reason to show; null where there is none.")


class Shelf(BaseModel):
    """The answer of /recommend; every part of it comes from the one release it names."""

    request_id: str = Field(description="Of this answer alone; events can name it.")
    arm: str = Field(description="Arm of the experiment that was shown.")
    release_id: str
    user_id: str
    how: How
    items: list[ShelfItem]


class Similar(BaseModel):
    """The answer of /similar."""

    release_id: str
    item_id: str
    how: How
    items: list[ShelfItem]


class Accepted(BaseModel):
    """The answer of /events: the event is in the online store, the next answer sees it."""

    accepted: Literal[True] = True
    new: bool = Field(
        description="False where it was stored before, or is older than all that is kept."
    )
    known_item: bool = Field(
        description="Whether the live release has the item; if not, it counts from the next one."
    )


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
    """The answer of /release."""

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
        "the releases of arms, and the log of what is shown."
    )
    arms: dict[str, ArmInfo]
    log: dict[str, LogInfo] | None = Field(
        description="Of what is shown and done, by table; null where `serving.exposures` is off."
    )


class Vector(BaseModel):
    """The answer of /vector."""

    release_id: str
    user_id: str
    known: bool
    vector: list[float]


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class ErrorResponse(BaseModel):
    """Every answer that is not 200."""

    error: Literal[
        "bad_body",
        "bad_request",
        "too_large",
        "not_json",
        "slow_body",
        "no_cors",
        "busy",
        "too_late",
        "unknown_item",
        "not_stored",
        "not_ready",
        "off",
        "internal",
    ]
    message: str
    fields: list[FieldError] = Field(default_factory=list)


def error_response(error: ValidationError) -> ErrorResponse:
    """Say what a refused body got wrong, naming each field (400)."""
    if error.error_count() > _MAX_DISTINCT:
        # Telling tens of thousands apart would hold up everybody else for half a second.
        message = f"has {error.error_count():,} faults"
        faults = [FieldError(field="body", message=message)]
    else:
        details = error.errors(include_url=False)[:MAX_ERRORS]
        faults = [_field_error(detail) for detail in details]
    message = "; ".join(f"{one.field}: {one.message}" for one in faults[:5])
    return ErrorResponse(error="bad_body", message=message, fields=faults)


def _field_error(detail: Any) -> FieldError:
    where = ".".join(str(part)[:_FIELD_CHARS] for part in detail["loc"]) or "body"
    if detail["type"] == "extra_forbidden":
        return FieldError(field=where, message="unknown field")
    if detail["type"] == "value_error":
        return FieldError(field=where, message=str(detail["ctx"]["error"]))
    if detail["type"] == "model_type":
        return FieldError(field=where, message="must be a JSON object")
    return FieldError(field=where, message=str(detail["msg"]))


class Refused(Exception):
    """A request that cannot be answered; becomes `status` with `response` as its body.

    Attributes:
        headers: That the answer has besides.
    """

    def __init__(
        self, status: int, response: ErrorResponse, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.response = response
        self.headers = dict(headers or {})
        super().__init__(response.message)
