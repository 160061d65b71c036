"""Which fold a user belongs to: the same on every machine, in every run, on every engine.

Folds serve cross-fitting: a training example sees item vectors from a graph that leaves out
its own user's fold, so that no example is explained by an edge its own target made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd

from colisten.errors import GraphError


def fold_of(user_ids: Iterable[str] | np.ndarray, folds: int) -> np.ndarray:
    """Fold of each user, int64 [len(user_ids)] in [0, folds).

    The fold is the 8-byte BLAKE2b hash of the id's UTF-8 bytes modulo `folds`.

    Raises:
        GraphError: `folds` is not positive or an id is null.
    """
    if folds < 1:
        raise GraphError(f"The number of folds must be at least 1, not {folds}.")
    ids = user_ids if isinstance(user_ids, np.ndarray) else list(user_ids)
    codes, unique = pd.factorize(np.asarray(ids, dtype=object))
    if (codes < 0).any():
        raise GraphError("A user id is null.", "Run the table checks on the input first.")
    hashes = np.fromiter(
        (
            int.from_bytes(hashlib.blake2b(str(user).encode(), digest_size=8).digest(), "little")
            for user in unique
        ),
        dtype=np.uint64,
        count=len(unique),
    )
    result: np.ndarray = (hashes % np.uint64(folds)).astype(np.int64)[codes]
    return result
