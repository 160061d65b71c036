"""The arms of the experiment that a worker runs: who is in which, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from colisten.experiments.assignment import assign
from colisten.serving.active_release import ActiveRelease, ReleaseWatcher
from colisten.serving.answers import ArmInfo
from colisten.serving.followed import Followed, NamedRelease
from colisten.serving.problems import refused_field
from colisten.settings.experiment import POPULAR, ExperimentSettings
from colisten.settings.shares import listed


@dataclass(frozen=True)
class ShownArm:
    """What one request is answered by.

    Attributes:
        name: Of the arm; None for nobody that is known, who is in none.
        active: The release.
        popular: Whether the arm shows what is popular, to everybody.
        lost: Whether the arm's own release is not there, so that the live one answers.
        pinned: Whether it goes on answering when another release goes live.
    """

    name: str | None
    active: ActiveRelease
    popular: bool = False
    lost: bool = False
    pinned: bool = False


class Arms:
    """Draws arms and holds their releases.

    Args:
        settings: The plan.
        watch: Makes what holds the release of an arm.
    """

    def __init__(
        self,
        settings: ExperimentSettings,
        watch: Callable[[Followed], ReleaseWatcher],
    ) -> None:
        self._name = settings.name
        self._arms = settings.arms
        self._shares = settings.shares
        self._own = {
            name: watch(NamedRelease(name, release_id))
            for name, release_id in settings.pinned.items()
        }

    def start(self) -> None:
        """Load the releases of the arms; one that fails is tried again."""
        for watcher in self._own.values():
            watcher.start()

    def close(self) -> None:
        """Let go of them."""
        for watcher in self._own.values():
            watcher.close()

    def held(self) -> Sequence[ActiveRelease]:
        """The releases that are held beside the live one."""
        return [one.current for one in self._own.values() if one.current is not None]

    def arm_of(self, user_id: str | None, asked: str | None) -> str | None:
        """The arm of a user: the same one in every worker, for ever; or the one asked for.

        None for nobody that is known: whoever cannot be drawn again is no part of an experiment.

        Raises:
            Refused: There is no such arm (400).
        """
        if asked is None and user_id is None:
            return None
        if asked is None:
            assert user_id is not None
            return assign(user_id, experiment=self._name, arms=self._shares)
        if asked not in self._arms:
            message = f"There is no such arm; there are {listed(self._arms)}."
            raise refused_field("arm", message)
        return asked

    def shown(self, name: str | None, live: ActiveRelease) -> ShownArm:
        """What an arm shows now.

        Args:
            name: As `arm_of` gives it.
            live: The release in use.
        """
        if name is None:
            return ShownArm(name, live)
        watcher = self._own.get(name)
        if watcher is None:
            return ShownArm(name, live, popular=self._arms[name].shows == POPULAR)
        own = watcher.current
        return ShownArm(name, live, lost=True) if own is None else ShownArm(name, own, pinned=True)

    def info(self, live: ActiveRelease) -> dict[str, ArmInfo]:
        """The arms for /release."""
        return {
            name: ArmInfo(
                share=self._shares[name],
                shows=arm.shows,
                release_id=self.shown(name, live).active.release_id,
            )
            for name, arm in self._arms.items()
        }
