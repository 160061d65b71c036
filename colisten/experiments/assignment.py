"""Who sees which arm: a pure function of the user and the experiment, so it needs no store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from colisten.settings.shares import planned_shares

_SCALE = float(1 << 64)


def assign(user_id: str, *, experiment: str, arms: Mapping[str, float]) -> str:
    """The arm of a user: the same one for ever, independent between experiments.

    Args:
        user_id: Any string.
        experiment: Name of the experiment; another name shuffles users anew.
        arms: Arm name -> share of users, a plan as `planned_shares` reads it.

    Raises:
        ConfigError: The shares are no plan.
    """
    plan = planned_shares(arms)
    key = f"{experiment}\0{user_id}".encode()
    digest = hashlib.blake2b(key, digest_size=8).digest()
    point = int.from_bytes(digest, "big") / _SCALE
    edge = 0.0
    for arm, share in plan.items():
        edge += share
        if point < edge:
            return arm
    return arm
