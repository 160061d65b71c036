"""The user tower of one release in a Triton server, and in process where that does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from colisten.errors import TowerAbsent, TowerError
from colisten.features.transform import encode_users
from colisten.features.users import UserBatch
from colisten.release.loaded import LoadedRelease
from colisten.serving import metrics
from colisten.serving.circuit_breaker import CallFailed, CallRefused, CircuitBreaker
from colisten.serving.tower_place import Computed, UserTower
from colisten.triton.inference import Connections, LostConnection
from colisten.triton.repository import model_name
from colisten.triton.retry_budget import RetryBudget

# Another build of ONNX Runtime rounds otherwise; another model is further off than that.
TOLERANCE = 1e-4
_WITNESSES = 4
UNCHECKED, ABSENT, FOREIGN, ERROR = (
    "triton_unchecked",
    "triton_absent",
    "triton_foreign",
    "triton_error",
)


@dataclass(frozen=True)
class TowerFault:
    """Why a model is not asked.

    Attributes:
        reason: A word, as `how.fallbacks` says it.
        why: The same as a sentence.
    """

    reason: str
    why: str


class TritonModel:
    """One release's model at a server: asked within a deadline and a retry budget.

    Args:
        release: Whose model.
        connections: To the server.
        budget: Of retries, of all models of the server.
        seconds: Longest wait for vectors, tries together.
        batch: Most rows at once.
    """

    def __init__(
        self,
        release: LoadedRelease,
        connections: Connections,
        budget: RetryBudget,
        *,
        seconds: float,
        batch: int,
    ) -> None:
        self.release = release
        self.name = model_name(release.release_id)
        self._connections = connections
        self._budget = budget
        self._seconds = seconds
        self._batch = batch
        golden = release.golden_set()
        rows = min(_WITNESSES, batch)
        self._known = (
            np.ascontiguousarray(golden.features[:rows], np.float32),
            golden.vectors[:rows],
        )

    def infer(self, features: np.ndarray) -> np.ndarray:
        """Vectors [B, dim] of features [B, width], any B.

        Raises:
            TimeoutError: The deadline is over.
            TowerError: See `Connections.infer`.
        """
        end = time.monotonic() + self._seconds
        self._budget.note_call()
        parts = [
            self._part(features[start : start + self._batch], end)
            for start in range(0, len(features), self._batch)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def answers(self) -> None:
        """Ask for vectors of nobody in particular; raises as `infer` does."""
        self.infer(np.zeros_like(self._known[0][:1]))

    def fault(self, seconds: float) -> TowerFault | None:
        """What is wrong with its answer to users whose vectors the release knows.

        Raises:
            TimeoutError: It does not answer within `seconds`.
            TowerError: See `Connections.infer`.
        """
        features, wanted = self._known
        found = self._connections.infer(self.name, features, wanted.shape[1], seconds)
        gap = float(np.abs(found - wanted).max())
        if gap <= TOLERANCE:
            return None
        return TowerFault(
            FOREIGN, f"Vectors of {self.name} differ from the release's own by {gap:.2g}."
        )

    def _part(self, features: np.ndarray, end: float) -> np.ndarray:
        dim, again = self.release.tower.dim, True
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("The time for a vector is over.")
            try:
                return self._connections.infer(self.name, features, dim, left)
            except LostConnection:
                if not again or not self._budget.take():
                    raise
                again = False


class TritonTower(UserTower):
    """A `TritonModel` with the tower in process as its rung below.

    Args:
        model: Of the release.
        breaker: Of the server.
        noticed: Called where a request finds that the server has not got the model.
        left: Called as the release is left.

    Attributes:
        fault: Why the model is not asked; None where it is. Changed by who looks at the server.
    """

    def __init__(
        self,
        model: TritonModel,
        breaker: CircuitBreaker,
        noticed: Callable[[], None],
        left: Callable[[TritonTower], None],
    ) -> None:
        self.model = model
        self.fault: TowerFault | None = TowerFault(UNCHECKED, "It has not been looked at yet.")
        self._breaker = breaker
        self._noticed = noticed
        self._left = left

    def vectors(self, batch: UserBatch) -> Computed:
        """See `UserTower.vectors`."""
        release = self.model.release
        features = encode_users(release.spec, batch, release.history_vectors)
        found = self._remote(features)
        if not isinstance(found, str):
            metrics.VECTORS.labels("triton").inc()
            return found, None
        metrics.VECTORS.labels("in_process").inc()
        return release.tower.from_features(features), found

    def close(self) -> None:
        """See `UserTower.close`."""
        self._left(self)

    def _remote(self, features: np.ndarray) -> np.ndarray | str:
        """Vectors by the server, or why it gave none."""
        if self.fault is not None:
            return self.fault.reason
        try:
            return self._breaker.call(
                lambda: self.model.infer(features), neutral=self.model.answers, bounded=True
            )
        except CallRefused as refused:
            if not isinstance(refused.error, TowerAbsent):
                return refused.reason
            self.fault = TowerFault(ABSENT, str(refused.error))
            self._noticed()
            return ABSENT
        except CallFailed as failed:
            return failed.reason


def unavailable(error: Exception) -> TowerFault:
    """What an error of looking at a server says of it."""
    reason = ABSENT if isinstance(error, TowerAbsent) else ERROR
    known = isinstance(error, TowerError)
    return TowerFault(reason, str(error) if known else f"Triton does not answer in time: {error}")
