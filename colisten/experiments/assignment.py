"""Who sees which arm: a pure function of the user and the experiment, so it needs no store."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

from colisten.errors import ConfigError

_SCALE = float(1 << 64)


def assign(user_id: str, *, experiment: str, arms: Mapping[str, float]) -> str:
    """The arm of a user: the same one for ever, independent between experiments.

    Args:
        user_id: Any string.
        experiment: Name of the experiment; another name shuffles users anew.
        arms: Arm name -> share of users; shares are positive and sum to one.

    Raises:
        ConfigError: There is no arm, or the shares are not a distribution.
    """
    if not arms or any(share <= 0 for share in arms.values()):
        raise ConfigError(f"Arms {dict(arms)} need positive shares.")
    if not math.isclose(sum(arms.values()), 1.0, abs_tol=1e-9):
        raise ConfigError(f"Shares of arms {dict(arms)} sum to {sum(arms.values())}, not to 1.")
    key = f"{experiment}\0{user_id}".encode()
    digest = hashlib.blake2b(key, digest_size=8).digest()
    point = int.from_bytes(digest, "big") / _SCALE
    edge = 0.0
    for arm, share in arms.items():
        edge += share
        if point < edge:
            return arm
    return arm
