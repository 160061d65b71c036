"""Which settings a step reads: its signature tells, and whoever starts it hands over no others.

A keyword parameter named after a section of the settings, or after a setting at the top such as
`seed`, takes that; `engine` takes an `Engine`. An annotation says more:

    k: Annotated[int, Setting("evaluation.k")]                      one setting of a section
    graph: Annotated[GraphSettings, Without("factors")]             a section, but for some of it
    histories: Annotated[FeatureSettings, Setting("features")]      another name for a section

So a setting that no step is handed changes no cache key.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, TypeAdapter

from colisten.files import combined_digest
from colisten.json_files import parse_json, to_json
from colisten.parts import is_own, part_digest
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.tree import Settings
from colisten.steps.code import code_digest

Step = Callable[..., Any]
_CODE = "code"


@dataclass(frozen=True)
class Setting:
    """The parameter takes the setting, or the section, of this name."""

    name: str


@dataclass(frozen=True)
class Without:
    """These settings of the section come at their defaults; the step does not read them."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True)
class Computed:
    """The parameter takes what this makes of all settings: a section or JSON values."""

    make: Callable[[Settings], Any]


def _unweighted(settings: Settings) -> DataSettings:
    data = settings.data
    return data.model_copy(update={"signals": dict.fromkeys(data.signals, 1.0)})


# What tables hold. How much a signal weighs in a mean is the towers' affair.
Columns = Annotated[DataSettings, Computed(_unweighted)]
# Which types and signals there are, and no further columns.
TypesAndSignals = Annotated[
    DataSettings, Computed(_unweighted), Without("filterable", "user_features", "text_vectors")
]

# Of the features: what a release and the online store hold beside the model; shapes no training.
IN_RELEASE = ("seen_in_release", "neighbours_in_release", "online_keep_days")


def settings_of(step: Step, settings: Settings) -> dict[str, Any]:
    """What a step reads of the settings, by the names of its parameters."""
    values: dict[str, Any] = {}
    for name, hint in _hints(step).items():
        value = _value_of(name, hint, settings)
        if value is not None:
            values[name] = value[0]
    return values


def settings_json(step: Step, settings: Settings, *, code: str | None = None) -> str:
    """What a step reads of the settings and the digest of its code, as a pipeline parameter.

    Args:
        step: See `colisten.steps`.
        settings: All of them.
        code: What identifies the code that will run, such as the digest of an image; None: the
            code that lies here.
    """
    tree = {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        for name, value in settings_of(step, settings).items()
    }
    # Not sorted: the order of signals is that of their codes.
    own = sorted(set(_own_parts(tree))) if code is None else []
    code = code_digest(step.__module__) if code is None else code
    if own:
        code = combined_digest({code: "", **{part: part_digest(part) for part in own}})[:16]
    return to_json({_CODE: code, **tree}, finite=True)


def _own_parts(value: Any) -> Iterator[str]:
    """The parts of somebody's own that settings name, whose code decides results as ours does."""
    if isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _own_parts(each)
    elif is_own(value):
        yield value


def settings_from_json(step: Step, text: str) -> dict[str, Any]:
    """What `settings_json` wrote, as keyword arguments of the step."""
    tree = parse_json(text, name=f"The settings of {step.__name__}")
    hints = _hints(step)
    return {
        name: TypeAdapter(_plain(hints[name])).validate_python(value)
        for name, value in tree.items()
        if name != _CODE
    }


def _hints(step: Step) -> dict[str, Any]:
    hints = get_type_hints(step, include_extras=True)
    return {name: hints[name] for name in inspect.signature(step).parameters}


def _value_of(name: str, hint: Any, settings: Settings) -> tuple[Any] | None:
    """The value of a parameter, in a tuple; None where it is no setting."""
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    plain = _plain(hint)
    if plain is Engine:
        return (Engine(threads=settings.threads, memory_limit=settings.memory_limit),)
    computed = [mark.make(settings) for mark in marks if isinstance(mark, Computed)]
    (name,) = [mark.name for mark in marks if isinstance(mark, Setting)] or [name]
    top, _, leaf = name.partition(".")
    field = Settings.model_fields.get(top)
    if computed:
        (value,) = computed
    elif field is None or not (marks or plain in (type(field.default), field.annotation)):
        return None
    else:
        value = getattr(getattr(settings, top), leaf) if leaf else getattr(settings, top)
    for mark in marks:
        if isinstance(mark, Without):
            default = type(value)()
            value = value.model_copy(update={each: getattr(default, each) for each in mark.names})
    return (value,)


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint
