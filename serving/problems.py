"""What every answer that is no answer looks like: problem details (RFC 9457) with a code.

Whoever refuses says a `Fault`: the code and what is wrong in a sentence. Status, title and the name
of this one occurrence are added where it is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import uuid4

from pydantic import BaseModel, Field, ValidationError

from colisten.json_files import to_json

if TYPE_CHECKING:
    from starlette.types import Send

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
# Faults that are told apart, for each that is named.
_LOOKED_AT = 20
# With each character written as \u0000, an answer of so many faults is below 10 kB.
_FIELD_CHARS = 40
_IN_DETAIL = 5
_TYPE = "urn:problem-type:colisten:"

Code = Literal[
    "bad_body",
    "bad_request",
    "too_large",
    "not_json",
    "slow_body",
    "no_cors",
    "foreign_host",
    "no_token",
    "moved",
    "busy",
    "too_late",
    "unknown_item",
    "unknown_release",
    "older_release",
    "not_stored",
    "not_ready",
    "off",
    "internal",
]
TITLES: Mapping[Code, str] = {
    "bad_body": "The body does not fit",
    "bad_request": "The request does not fit",
    "too_large": "The body is too long",
    "not_json": "The body is not declared as JSON",
    "slow_body": "The body was not whole in time",
    "no_cors": "Other sites may not ask",
    "foreign_host": "The service has another name",
    "no_token": "The token is missing",
    "moved": "The path has moved",
    "busy": "More is asked than can be answered in time",
    "too_late": "The deadline is over",
    "unknown_item": "The release has no such item",
    "unknown_release": "No such release was ever live here",
    "older_release": "An older release is served",
    "not_stored": "Nothing was stored",
    "not_ready": "No release is loaded",
    "off": "This is switched off",
    "internal": "A fault of the service",
}
CODES: tuple[Code, ...] = get_args(Code)


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class Fault(BaseModel):
    """Why a request, or one of several in a body, is refused."""

    code: Code = Field(description="For programs; the page of the service lists them.")
    detail: str = Field(description="What is wrong here, as a sentence.")
    fields: list[FieldError] = Field(
        default_factory=list,
        description=f"Fields of the body that are at fault, up to {MAX_ERRORS}.",
    )


class Problem(Fault):
    """Every answer that is not 200."""

    type: str = Field(description="The code as a URN.")
    title: str = Field(description="The code in words.")
    status: int = Field(description="The HTTP status.")
    instance: str = Field(description="Of this answer alone; the service's log names it.")

    @classmethod
    def of(cls, status: int, fault: Fault, instance: str | None = None) -> Problem:
        """A fault as it is sent.

        Args:
            status: The HTTP status.
            fault: Why.
            instance: Its name; a new one by default.
        """
        return cls(
            type=f"{_TYPE}{fault.code}",
            title=TITLES[fault.code],
            status=status,
            instance=instance or new_instance(),
            code=fault.code,
            detail=fault.detail,
            fields=fault.fields,
        )


def new_instance() -> str:
    """A name that no other answer has."""
    return uuid4().urn


class Refused(Exception):
    """A request that cannot be answered; becomes `status` with `fault` in its body.

    Attributes:
        headers: That the answer has besides.
    """

    def __init__(self, status: int, fault: Fault, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.fault = fault
        self.headers = dict(headers or {})
        super().__init__(fault.detail)


async def send_problem(send: Send, refused: Refused) -> None:
    """Answer a request that reached no application (ASGI)."""
    body = to_json(Problem.of(refused.status, refused.fault).model_dump(mode="json")).encode()
    told = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), **refused.headers}
    headers = [(name.lower().encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refused_field(field: str, message: str, status: int = 400) -> Refused:
    """A refusal for the sake of one field of the body."""
    fields = [FieldError(field=field, message=message)]
    return Refused(status, Fault(code="bad_body", detail=f"{field}: {message}", fields=fields))


def body_fault(
    error: ValidationError, root: Iterable[str] = (), *, most: int = MAX_ERRORS
) -> Fault:
    """Say what a refused body got wrong, naming each field (400).

    Args:
        error: Of the model.
        root: First parts of a field's place that only the model knows of.
        most: Fields that are named.
    """
    if error.error_count() > most * _LOOKED_AT:
        # Telling tens of thousands apart would hold up everybody else for half a second.
        message = f"has {error.error_count():,} faults"
        faults = [FieldError(field="body", message=message)]
    else:
        known = tuple(root)
        details = error.errors(include_url=False)[:most]
        faults = [_field_error(detail, known) for detail in details]
    message = "; ".join(f"{one.field}: {one.message}" for one in faults[:_IN_DETAIL])
    return Fault(code="bad_body", detail=message, fields=faults)


def _field_error(detail: Any, root: tuple[str, ...]) -> FieldError:
    place = detail["loc"][1:] if detail["loc"][:1] in [(one,) for one in root] else detail["loc"]
    where = ".".join(str(part)[:_FIELD_CHARS] for part in place) or "body"
    if detail["type"] == "extra_forbidden":
        return FieldError(field=where, message="unknown field")
    if detail["type"] == "value_error":
        return FieldError(field=where, message=str(detail["ctx"]["error"]))
    if detail["type"] == "model_type":
        return FieldError(field=where, message="must be a JSON object")
    return FieldError(field=where, message=str(detail["msg"]))
