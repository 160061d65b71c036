"""Which of the library's baselines are measured: all, none, some, or all but some."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from colisten.words import advice, shown

# As `colisten.baselines.registry` has them, which settings must not import.
BASELINE_NAMES = (
    "popularity (decayed)",
    "item-kNN",
    "popularity + item-kNN",
    "EASE",
    "popularity + EASE",
    "ALS",
    "popularity + ALS",
    "popularity + ridge",
    "BPR",
    "LightGCN",
    "SASRec",
    "HGNN with users",
)
_WORDS = {"all": True, "none": False}
_WITHOUT = "-"


def _read(given: Any) -> Any:
    """A list of names, or true and false where they say the same."""
    if isinstance(given, str):
        given = _WORDS.get(given, [given])
    if not isinstance(given, list | tuple):
        return given
    for each in given:
        if not isinstance(each, str) or each.removeprefix(_WITHOUT) not in BASELINE_NAMES:
            raise ValueError(
                f"evaluation.baselines: {shown(each)} is no baseline. "
                + advice(str(each).removeprefix(_WITHOUT), BASELINE_NAMES).removesuffix(".")
            )
    if len({each.startswith(_WITHOUT) for each in given}) > 1:
        raise ValueError(
            f"evaluation.baselines {shown(list(given))} names some to measure and some to leave "
            "out; say one or the other"
        )
    return tuple(given) if given else False


BaselineChoice = Annotated[bool | tuple[str, ...], BeforeValidator(_read)]


def chosen_baselines(choice: bool | tuple[str, ...]) -> tuple[str, ...]:
    """Names of the baselines that `evaluation.baselines` asks for, in the order of the table."""
    if isinstance(choice, bool):
        return BASELINE_NAMES if choice else ()
    without = {each.removeprefix(_WITHOUT) for each in choice if each.startswith(_WITHOUT)}
    if without:
        return tuple(name for name in BASELINE_NAMES if name not in without)
    return tuple(name for name in BASELINE_NAMES if name in choice)
