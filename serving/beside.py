"""What a worker holds beside its releases, by its settings: names, log, copies, store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colisten.errors import FileError
from colisten.experiments.plan import ExperimentPlan
from colisten.logs import logger
from colisten.release.private_copy import PrivateCopies
from colisten.serving.environment import Environment
from colisten.serving.exposure_log import ExposureLog
from colisten.serving.followed import arm_part
from colisten.serving.parts import EXPOSURES, PARTS, STORE, TOWER, Parts

if TYPE_CHECKING:
    from colisten.serving.store_follower import StoreFollower

_log = logger("serving.beside")


def part_names(environment: Environment) -> tuple[str, ...]:
    """Names of what a worker stands on, by its settings."""
    settings = environment.settings
    written = (EXPOSURES,) if settings.serving.exposures else ()
    tower = (TOWER,) if settings.serving.tower == "triton" else ()
    store = () if environment.store is None else (STORE,)
    return (*PARTS, *tower, *store, *written, *map(arm_part, settings.experiment.pinned))


def exposure_log(environment: Environment, parts: Parts) -> ExposureLog | None:
    """The log of what is shown; None where it is off."""
    serving = environment.settings.serving
    if not serving.exposures:
        return None
    plan = ExperimentPlan.of(environment.settings.experiment)
    return ExposureLog(environment.home, plan, serving, parts)


def store_follower(environment: Environment, parts: Parts) -> StoreFollower | None:
    """Who follows the store; None where the home is the truth itself."""
    if environment.store is None:
        return None
    from colisten.serving.store_follower import StoreFollower

    return StoreFollower(environment, environment.store, parts)


def copies() -> PrivateCopies | None:
    """Where copies of releases lie; None where nowhere can be written, or not safely."""
    try:
        return PrivateCopies.of_user()
    except (FileError, OSError) as error:
        _log.warning("no_private_folder", error=str(error), instead="memory")
        return None
