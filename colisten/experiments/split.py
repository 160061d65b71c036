"""Whether users fell to the arms as planned (sample ratio), as a whole and in each slice of them.

A slice is the users whose first showing was on one day or surface, or who are of one country. A
broken slice says where to look, and finds what cancels out in the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.stats import chi2

from colisten.settings.shares import listed
from colisten.statistics.holm import holm

SPLIT_P_VALUE = 1e-3
"""Users per arm less likely than this under the plan are no draw of it."""

SLICES = ("surface", "country", "day")
"""Columns of the outcomes by which users are sliced, where they are there."""

FEWEST_EXPECTED = 5.0
"""A slice in which the plan leaves an arm fewer users than this is too small for the test."""

AS_PLANNED = 0.01
"""p-value from which on slices are called as planned: more than not being broken, which small ones
never are."""

CROSSOVER = 0.01
"""Share of users in several arms from which on the assignment is not steady."""


@dataclass(frozen=True)
class Slice:
    """Users of one value of one column.

    Attributes:
        by: One of `SLICES`.
        value: Of the column.
        users: By arm, those seen.
        p_value: Chi-square test against the plan.
        adjusted_p_value: Holm's, over all slices.
    """

    by: str
    value: str
    users: dict[str, int]
    p_value: float
    adjusted_p_value: float

    @property
    def is_sound(self) -> bool:
        """Whether these users can be a draw of the plan, given how many slices are looked at."""
        return self.adjusted_p_value >= SPLIT_P_VALUE


def split_p_values(seen: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Chi-square tests of users per arm against a plan.

    Args:
        seen: Users, [n, arms] with at least one in each row.
        shares: Planned shares, [arms], summing to 1.

    Returns:
        p-values, [n].
    """
    expected = seen.sum(axis=1, keepdims=True) * shares
    score = ((seen - expected) ** 2 / expected).sum(axis=1)
    return np.asarray(chi2.sf(score, seen.shape[1] - 1))


def split_slices(
    outcomes: pa.Table, members: Mapping[str, np.ndarray], plan: Mapping[str, float]
) -> tuple[Slice, ...]:
    """Every slice that is large enough to be tested, in the order of `SLICES` and of values.

    Args:
        outcomes: One row per exposed user.
        members: By arm which of them are in it, bool.
        plan: Share of users per arm, summing to 1.
    """
    if len(members) < 2:
        return ()
    shares = np.array([plan[arm] for arm in members])
    found: list[tuple[str, str, np.ndarray]] = []
    for by in SLICES:
        if by in outcomes.column_names:
            found += [
                (by, value, seen)
                for value, seen in _counted(outcomes.column(by), list(members.values()))
                if seen.sum() * shares.min() >= FEWEST_EXPECTED
            ]
    if not found:
        return ()
    p_values = split_p_values(np.array([seen for *_, seen in found]), shares)
    family = holm([float(p) for p in p_values], SPLIT_P_VALUE)
    return tuple(
        Slice(
            by,
            value,
            dict(zip(members, map(int, seen), strict=True)),
            float(p),
            1.0 if judged is None else judged.p_value,
        )
        for (by, value, seen), p, judged in zip(found, p_values, family, strict=True)
    )


def likeliest_cause(
    slices: Sequence[Slice],
    users: Mapping[str, int],
    plan: Mapping[str, float],
    excluded: int,
) -> str:
    """Where a broken split comes from, in a sentence.

    Args:
        slices: As `split_slices` finds them.
        users: By arm, those seen.
        plan: Share of users per arm, summing to 1.
        excluded: Users who saw several arms.
    """
    empty = [arm for arm in users if not users[arm]]
    if empty:
        return f"Nobody saw {listed(empty)}: it is not switched on, or what it shows is not logged."
    if excluded > CROSSOVER * (sum(users.values()) + excluded):
        return (
            f"{excluded:,} users saw several arms and are left out: the assignment is not steady, "
            "so who is left is no draw."
        )
    for by in ("surface", "country"):
        own = [one for one in slices if one.by == by]
        broken = [one for one in own if not one.is_sound]
        if len(broken) == 1 and _apart([one for one in own if one.is_sound], broken, plan):
            return (
                f"It lies in the {by} {listed([broken[0].value])} alone; elsewhere users are split "
                "as planned. Look at what assigns and logs there."
            )
    return _since(slices, plan) or _everywhere(users, plan)


def _since(slices: Sequence[Slice], plan: Mapping[str, float]) -> str | None:
    """Where days beside the first broken one, or before it, are as planned."""
    days = sorted((one for one in slices if one.by == "day"), key=lambda one: one.value)
    first = next((at for at, one in enumerate(days) if not one.is_sound), None)
    if first is None:
        return None
    if _apart(days[:first] + days[first + 1 :], days[first : first + 1], plan):
        return f"It lies in users who came on {days[first].value} alone. Look at that day's logs."
    if not _apart(days[:first], days[first:], plan):
        return None
    return (
        f"It began with users who came on {days[first].value}; those before are split as planned. "
        "Look at what was released or changed then."
    )


def _everywhere(users: Mapping[str, int], plan: Mapping[str, float]) -> str:
    total = sum(users.values())
    off = {arm: (users[arm] - plan[arm] * total) / (plan[arm] * total) for arm in users}
    arm = max(off, key=lambda name: abs(off[name]))
    return (
        f"No day, country or surface stands out; the arm {listed([arm])} is furthest from the plan "
        f"({off[arm]:+.1%} users). Either the shares are not those that users were drawn by, or "
        "showings are lost or made in one arm only (errors, bots, redirects)."
    )


def _counted(values: pa.ChunkedArray, members: list[np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """By value the users of each arm; those without a value are in none."""
    coded = values.combine_chunks().dictionary_encode()
    names = coded.dictionary.to_pylist()
    codes = np.asarray(coded.indices.fill_null(-1))
    seen = np.stack(
        [np.bincount(codes[own & (codes >= 0)], minlength=len(names)) for own in members], axis=1
    )
    return sorted(
        ((str(name), row) for name, row in zip(names, seen, strict=True)), key=lambda one: one[0]
    )


def _apart(sound: Sequence[Slice], broken: Sequence[Slice], plan: Mapping[str, float]) -> bool:
    """Whether the first are as planned, and the others split otherwise than they."""
    if not sound or not broken:
        return False
    shares = np.array(list(plan.values()))
    both = np.array([[sum(one.users[arm] for one in of) for arm in plan] for of in (sound, broken)])
    expected = both.sum(axis=1, keepdims=True) * both.sum(axis=0) / both.sum()
    # An arm that none of them saw makes no difference.
    score = ((both - expected) ** 2 / np.maximum(expected, 1e-9)).sum()
    differ = chi2.sf(score, len(plan) - 1) < SPLIT_P_VALUE
    return bool(differ and split_p_values(both[:1], shares)[0] >= AS_PLANNED)
