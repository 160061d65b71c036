"""Where users' vectors are computed: in this process, or by a Triton server with it as its rung."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from colisten.features.users import UserBatch
from colisten.release.loaded import LoadedRelease

Computed = tuple[np.ndarray, str | None]
"""Unit vectors float32 [B, dim], and why the place that is configured did not compute them."""


class UserTower(Protocol):
    """The user tower of one release."""

    def vectors(self, batch: UserBatch) -> Computed:
        """Vectors of B users; see `Computed`."""

    def close(self) -> None:
        """Leave the release; requests that still hold it may go on asking."""


class TowerPlace(Protocol):
    """Where the towers of releases are."""

    def hold(self, release: LoadedRelease) -> UserTower:
        """The tower of a release that is about to be taken up; asks until it is closed."""

    def close(self) -> None:
        """Leave every release."""


class InProcessTower(UserTower):
    """ONNX Runtime in this process.

    Args:
        release: Whose tower.
    """

    def __init__(self, release: LoadedRelease) -> None:
        self._release = release

    def vectors(self, batch: UserBatch) -> Computed:
        """See `UserTower.vectors`."""
        return self._release.user_vectors(batch), None

    def close(self) -> None:
        """See `UserTower.close`."""
        return


class InProcess(TowerPlace):
    """This process: nothing to hold, nothing to lose."""

    def hold(self, release: LoadedRelease) -> UserTower:
        """See `TowerPlace.hold`."""
        return InProcessTower(release)

    def close(self) -> None:
        """See `TowerPlace.close`."""
        return
