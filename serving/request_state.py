"""What is known of one request on its way through the stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from colisten.features.users import UserBatch
from colisten.index.filter import Filter
from colisten.serving.active_release import ActiveRelease
from colisten.serving.answers import SearchSource
from colisten.serving.arms import ShownArm
from colisten.serving.filters import asked_filter, offered
from colisten.serving.requests import RecommendRequest
from colisten.serving.session import Session
from colisten.serving.stages import Several, current


class Nearest(NamedTuple):
    """What was found for a user's vector.

    Attributes:
        search: By what.
        items: Catalogue indices, nearest first.
        scores: Inner products.
    """

    search: SearchSource
    items: list[int]
    scores: list[float]


@dataclass
class RequestState:
    """What is known so far of one request, and why stages were left.

    Attributes:
        arm: By which it is answered.
        request: As it was asked.
        asked: Its filter.
        session: What it says itself of the user.
        allowed: Which items pass, bool [n_target]; None for all.
        exclude: Ids of items that may not come.
        user: What is known of the user, as a batch of one.
        vector: Of the user, float32 [1, dim].
        nearest: What was found for it; None where what is popular answers.
        fell: Whether a fault of ours ended it: what is popular answers.
        times: Who is told how long its stages take.
    """

    arm: ShownArm
    request: RecommendRequest
    asked: Filter
    session: Session | None
    fallbacks: list[str] = field(default_factory=list)
    allowed: np.ndarray | None = None
    exclude: list[str] = field(default_factory=list)
    user: UserBatch | None = None
    vector: np.ndarray | None = None
    nearest: Nearest | None = None
    fell: bool = False
    times: Several = field(default_factory=current)

    @property
    def active(self) -> ActiveRelease:
        """The one release that answers."""
        return self.arm.active


def begun(arm: ShownArm, request: RecommendRequest) -> RequestState:
    """What a request asks, held against the release that answers; raises Refused."""
    release = arm.active.release
    state = RequestState(
        arm,
        request,
        asked_filter(request.language, request.filter, release),
        Session.of(request, release),
    )
    if arm.lost:
        state.fallbacks.append("arm_release_missing")
    state.allowed = offered(release, state.asked, state.fallbacks)
    state.exclude = _recommendable(arm.active, request.exclude)
    return state


def _recommendable(active: ActiveRelease, ids: Sequence[str]) -> list[str]:
    """Those of a client's ids that could come back at all: the index is asked of no others."""
    target = active.release.target
    at = active.release.index_of(ids)
    inside = (at >= target.start) & (at < target.stop)
    return [item for item, within in zip(ids, inside.tolist(), strict=True) if within]
