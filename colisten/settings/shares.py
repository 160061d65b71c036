"""Planned shares of an experiment's arms: the one rule that assignment, simulation and reports
read them by."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from decimal import Decimal
from numbers import Real
from typing import NoReturn

from colisten.errors import ConfigError, JsonError
from colisten.json_files import parse_json

SLACK = 0.002
"""How far from 1 shares may sum: thirds and sixths that were rounded to three decimals."""

_MOST_LISTED = 10
_MOST_SHOWN = 40

_EXAMPLE = 'Write fractions of 1, e.g. {"control": 0.5, "new": 0.5}.'


def planned_shares(shares: Mapping[str, float]) -> dict[str, float]:
    """The shares of a plan, in its order, summing to one.

    Arms have names, shares are positive numbers, and together they make 1 within `SLACK`; that
    rounding is divided out. Anything else is refused and not guessed at: a sum of 0.9 may be a
    forgotten arm, and a share of 0 an arm that should not be in the plan.

    Raises:
        ConfigError: The shares are not such a plan.
    """
    if not isinstance(shares, Mapping):
        _refuse(f"they are a {type(shares).__name__}, not arms with their shares", _EXAMPLE)
    if not shares:
        _refuse("there is no arm", _EXAMPLE)
    plan = {_name(arm): _share(arm, share) for arm, share in shares.items()}
    total = sum(plan.values())
    if abs(total - 100) <= 100 * SLACK:
        _refuse(f"they sum to {total:g}, which reads as per cent", "Divide each by 100.")
    if not abs(total - 1) <= SLACK:
        _refuse(f"they sum to {total:g}, not to 1", "Every arm of the experiment needs its share.")
    return {arm: share / total for arm, share in plan.items()}


def read_shares(text: str) -> dict[str, float]:
    """Planned shares from JSON, such as `{"control": 0.5, "new": 0.5}`.

    Raises:
        ConfigError: It is not JSON, names an arm twice, or is not a plan.
    """
    try:
        shares = parse_json(text, name="The plan of shares")
    except JsonError as error:
        raise ConfigError(str(error), _EXAMPLE) from error
    return planned_shares(shares)


def check_control(control: str, plan: Mapping[str, float]) -> None:
    """Raises ConfigError where the control arm is not one of the plan's."""
    if not isinstance(control, str) or control not in plan:
        raise ConfigError(
            f"The control arm {_shown(control)} is not planned.", f"Planned: {listed(plan)}."
        )


def listed(arms: Collection[str]) -> str:
    """Arms for a sentence: the first few, each cut to a readable length, and how many more."""
    few = ", ".join(_shown(arm) for arm in list(arms)[:_MOST_LISTED])
    more = len(arms) - _MOST_LISTED
    return few + (f" and {more:,} more" if more > 0 else "")


def _refuse(why: str, do: str) -> NoReturn:
    raise ConfigError(f"Planned shares: {why}.", do)


def _name(arm: object) -> str:
    if not isinstance(arm, str) or not arm.strip():
        _refuse(f"{arm!r} is no name of an arm", _EXAMPLE)
    try:
        arm.encode()
    except UnicodeEncodeError:
        _refuse(f"the arm {arm!r} is not valid text", "Name it in Unicode characters.")
    return arm


def _share(arm: object, share: object) -> float:
    if not isinstance(share, Real | Decimal) or isinstance(share, bool):
        _refuse(f"that of {_shown(arm)} is {_shown(share)}, not a number", _EXAMPLE)
    try:
        value = float(share)
    except OverflowError:
        value = math.inf
    except ValueError:  # a signalling nan
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        _refuse(
            f"that of {_shown(arm)} is {value:g}, not a positive number",
            "Leave out an arm that nobody is to see.",
        )
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
