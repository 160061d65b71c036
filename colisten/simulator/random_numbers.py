"""Where a world's random numbers come from: one seed, and a key for whatever draws on its own.

What has a key of its own can be added or left out, and everything else stays as it was drawn.
"""

from __future__ import annotations

import numpy as np

CATALOGUE = 0
FIRST_CHUNK = 1
"""Key of the first chunk of users; those of the next follow it."""
PAIRS_MEASURED, RESPONSE, MAKERS, MUSIC = (2**31 + n for n in range(4))


def generator(seed: int, *key: int) -> np.random.Generator:
    """The random numbers of a key."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
