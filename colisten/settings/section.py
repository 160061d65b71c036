"""What a section of the settings is, and the kinds of value that many of them hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import PydanticCustomError

from colisten.parts import is_own
from colisten.settings.secrets import without_secrets

# A word that tables hold: an item type, a signal. Files and fields take it through
# `colisten.words.identifier`.
Name = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=r"^[^\s\x00-\x1f]([^\x00-\x1f]*[^\s\x00-\x1f])?$"),
]
Weight = Annotated[float, Field(ge=0.0)]
Positive = Annotated[int, Field(gt=0)]
HalfLife = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _as_it_is_meant(
        cls, given: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        """Refuse true where a number is asked for, which pydantic takes for 1, and secrets."""
        kind = cls.model_fields[str(info.field_name)].annotation
        if not (isinstance(kind, type) and issubclass(kind, Section)):  # it looks itself
            without_secrets(given)
        value = read(given)
        if not isinstance(value, BaseModel) and _bools(given) > _bools(value):
            raise PydanticCustomError("bool_for_number", "a number is wanted, not true or false")
        return value


def _bools(value: Any) -> int:
    """How many of the values in it are true or false; a section has looked at its own."""
    if isinstance(value, BaseModel):
        return _bools(value.model_dump())
    if isinstance(value, dict):
        return sum(map(_bools, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_bools, value))
    return isinstance(value, bool)


def known_or_own(word: str, known: tuple[str, ...], *, own: bool = True) -> str:
    """The word, where it is known or names a part of your own; else pydantic's `literal_error`."""
    if word in known or (own and is_own(word)):
        return word
    expected = " or ".join(map(repr, known))
    raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
