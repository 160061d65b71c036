"""What the service is asked: one model a message, strict on the way in.

A request with a field that is unknown, of the wrong type or out of range is refused with the
field's name. Ids, moments, languages and countries go through the rules of the tables: what is
trained can be asked for.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    FailFast,
    Field,
    RootModel,
    Tag,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    field_validator,
    model_validator,
)

from colisten.data.contract import MAX_AGE
from colisten.data.countries import country_of
from colisten.data.ids import MAX_ID_BYTES, id_fault
from colisten.data.languages import wanted_language
from colisten.data.moments import EARLIEST, parse_moment
from colisten.errors import ConfigError, EventRefused
from colisten.features.events import check_moment
from colisten.release.manifest import ID_PATTERN
from colisten.serving.problems import Fault, body_fault
from colisten.settings.section import Name

MAX_ITEMS = 500
MAX_EXCLUDED = 1000
MAX_VALUES = 1000
MAX_COLUMNS = 32
MAX_HISTORY = 100
MAX_EVENT_ID = 200
MAX_MUSIC = 4096
MAX_SHELVES = 64
MAX_EVENTS = 500
MAX_FIELDS = 64
# Of one entry of many: their answers add up.
_FEW_FAULTS = 3
# An event of the two longest ids fits, each of their bytes written as \u0000.
MAX_BODY_BYTES = 1024 * 1024


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
Number = Annotated[float, Field(allow_inf_nan=False)]
Numbers = Annotated[list[Number], Field(max_length=MAX_MUSIC)]
EventId = Annotated[Id, Field(max_length=MAX_EVENT_ID)]
ReleaseId = Annotated[str, Field(pattern=rf"^{ID_PATTERN}$")]

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

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: object) -> object:
        # Before each is found unknown: a body holds tens of thousands of them.
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            raise ValueError(f"has {len(value):,} fields; at most {MAX_FIELDS} can be told")
        return value


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


class SessionEvent(Request):
    """One thing that a user did and that the feature store need not know of."""

    item_id: Id = Field(description="With which item; one that the release lacks is left out.")
    item_type: str | None = Field(None, description="Its type; null for the catalogue's.")
    signal: str = Field(description="What was done.")
    timestamp: Moment | None = Field(
        None, description="When, as ISO 8601 with a time zone; null for now."
    )


class ProfileRequest(Request):
    """What a user is, in place of what the feature store knows; null leaves that as it is."""

    country: Country | None = Field(None, description="ISO 3166 code.")
    age: Annotated[float, Field(ge=0, lt=MAX_AGE)] | None = Field(None, description="Years.")
    music_vector: Numbers | None = Field(None, description="As long as those of the music table.")
    further: Columns[FilterValue] = Field(
        default_factory=dict, description="Further columns of the users table, by name."
    )


class RecommendRequest(Request):
    """Ask for a shelf for one user, for what was done in a session, or for both."""

    history: Annotated[list[SessionEvent], Field(max_length=MAX_HISTORY)] = Field(
        default_factory=list, description="What was done in this session; nothing of it is stored."
    )
    history_mode: Literal["append", "replace"] = Field(
        "append", description="append: `history` and what is stored; replace: `history` alone."
    )
    features: ProfileRequest | None = Field(
        None, description="What the user is, in place of what is stored."
    )
    user_id: Id | None = Field(
        None,
        validate_default=True,
        description="Whose shelf; needed without `history` and `features`. Null is nobody that is "
        "known: the live release answers, outside of the experiment.",
    )
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
    explain: bool = Field(False, description="Fill each item's `explanation`.")
    preview: bool = Field(
        False, description="Somebody else looks at the shelf: nothing is kept of it."
    )
    min_release: ReleaseId | None = Field(
        None, description="Refuse to answer from a release that went live before this one did."
    )

    @field_validator("user_id")
    @classmethod
    def _somebody(cls, user_id: str | None, info: ValidationInfo) -> str | None:
        # What is not among the data is at fault itself, and is named for that.
        told = [name not in info.data or info.data[name] for name in ("history", "features")]
        if user_id is None and not any(told):
            raise ValueError("name a user, or give history or features")
        return user_id


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

    event_id: EventId | None = Field(
        None,
        description="The sender's own name of it: of the events of a user with the same one, the "
        "first counts.",
    )
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


def _or_fault(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    """One entry of a list by itself: what is wrong with it is told at its position."""
    try:
        return handler(value)
    except ValidationError as error:
        return body_fault(error, most=_FEW_FAULTS)


# Each of them, or the `Fault` that stands in its place.
_Shelf = Annotated[RecommendRequest, WrapValidator(_or_fault)]
_Event = Annotated[EventRequest, WrapValidator(_or_fault)]


class RecommendBatch(Request):
    """Ask for several shelves at once, each answered or refused by itself."""

    requests: Annotated[list[_Shelf], Field(min_length=1, max_length=MAX_SHELVES)]

    @property
    def entries(self) -> list[RecommendRequest | Fault]:
        """What was asked, in order, and what is wrong where it does not fit."""
        return list(self.requests)


class EventBatch(Request):
    """Several things that users just did, each accepted or refused by itself."""

    events: Annotated[list[_Event], Field(min_length=1, max_length=MAX_EVENTS)]

    @property
    def entries(self) -> list[EventRequest | Fault]:
        """What was sent, in order, and what is wrong where it does not fit."""
        return list(self.events)


def _form(value: object) -> str:
    return "EventBatch" if isinstance(value, dict) and "events" in value else "EventRequest"


class EventsRequest(
    RootModel[
        Annotated[
            Annotated[EventRequest, Tag("EventRequest")] | Annotated[EventBatch, Tag("EventBatch")],
            Discriminator(_form),
        ]
    ]
):
    """One event, or several."""

    @property
    def count(self) -> int:
        """How many."""
        return len(self.root.events) if isinstance(self.root, EventBatch) else 1


# Parts of a field's place that are ours and not the sender's.
FORMS = ("EventRequest", "EventBatch")


class VectorRequest(Request):
    """Ask for a user's vector (answered only where `serving.debug_vectors` is on)."""

    user_id: Id = Field(description="Whose vector.")
