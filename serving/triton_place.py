"""A Triton server as the place of towers: models are loaded before a release is taken up, looked
at beside the answers, loaded again where the server lost them, and unloaded by the last to leave.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from colisten.errors import ColistenError, TowerBusy
from colisten.logs import logger
from colisten.release.loaded import LoadedRelease
from colisten.serving.circuit_breaker import CircuitBreaker
from colisten.serving.parts import TOWER, Parts
from colisten.serving.tower_place import TowerPlace, UserTower
from colisten.serving.triton_tower import FOREIGN, TritonModel, TritonTower, unavailable
from colisten.settings.triton import TritonSettings
from colisten.triton.control import ModelControl
from colisten.triton.inference import Connections
from colisten.triton.leases import Lease, Leases
from colisten.triton.repository import ModelRepository
from colisten.triton.retry_budget import RetryBudget

# A server that needs longer to say how it is is out of reach.
_PATIENCE_SECONDS = 5.0
_log = logger("serving.triton")


class TritonPlace(TowerPlace):
    """The models of one Triton server that this process holds.

    Args:
        home: Output folder.
        settings: The `triton` section.
        breaker: Of the server; its work keeps to its budget by itself.
        parts: Where it notes how the server is.
        seconds: How often it looks.
        grace_seconds: How long requests may hold a release that was left.
    """

    def __init__(
        self,
        home: Path,
        settings: TritonSettings,
        breaker: CircuitBreaker,
        parts: Parts,
        *,
        seconds: float,
        grace_seconds: float,
    ) -> None:
        self._settings = settings
        self._breaker = breaker
        self._parts = parts
        self._seconds, self._grace = seconds, grace_seconds
        self._repository = ModelRepository.of(home, settings)
        self._connections = Connections(settings.url)
        self._control = ModelControl(settings.url, settings.load_seconds)
        self._budget = RetryBudget(settings.retry_share)
        self._leases = Leases(home / "triton" / "leases", settings.url)
        self._lock = threading.Lock()
        self._held: dict[TritonTower, Lease | None] = {}
        self._leaving: list[tuple[float, Lease]] = []
        self._reloaded: set[str] = set()
        self._wake, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="triton", daemon=True)
        self._thread.start()

    def hold(self, release: LoadedRelease) -> UserTower:
        """See `TowerPlace.hold`; a server that is not there delays no release."""
        model = TritonModel(
            release,
            self._connections,
            self._budget,
            seconds=self._settings.deadline_ms / 1000,
            batch=self._settings.batch,
        )
        tower = TritonTower(model, self._breaker, self._wake.set, self._leave)
        lease = self._lease(model.name)
        self._judge(tower)
        with self._lock:
            self._held[tower] = lease
        self._note()
        return tower

    def close(self) -> None:
        """See `TowerPlace.close`; called when no request is left."""
        self._ended.set()
        self._wake.set()
        self._thread.join(2 * _PATIENCE_SECONDS)
        with self._lock:
            leases = [*self._held.values(), *(lease for _, lease in self._leaving)]
            self._held, self._leaving = {}, []
        for lease in leases:
            if lease is not None:
                lease.close()
        self._unload_unheld()
        self._breaker.close()

    def _leave(self, tower: TritonTower) -> None:
        with self._lock:
            lease = self._held.pop(tower, None)
            if lease is not None:
                self._leaving.append((time.monotonic() + self._grace, lease))

    def _lease(self, model: str) -> Lease | None:
        try:
            return self._leases.take(model)
        except OSError as error:
            # Nobody could tell that it is held, so this process unloads nothing either.
            _log.warning("model_not_leased", model=model, error=str(error))
            return None

    def _judge(self, tower: TritonTower) -> None:
        """Load the model where the server has not got it, and hold its answers to the release's."""
        model = tower.model
        try:
            if not self._control.has(model.name):
                self._load(model)
            fault = model.fault(_PATIENCE_SECONDS)
            if fault is not None and fault.reason == FOREIGN and model.name not in self._reloaded:
                # Written or loaded by somebody else; once, since a load takes seconds.
                self._reloaded.add(model.name)
                self._load(model, anew=True)
                fault = model.fault(_PATIENCE_SECONDS)
        except TowerBusy:
            return  # it lives and has much to do: as it was
        except (ColistenError, OSError) as error:
            fault = unavailable(error)
        if fault != tower.fault:
            _log.info("tower_judged", model=model.name, why=None if fault is None else fault.why)
        tower.fault = fault

    def _load(self, model: TritonModel, *, anew: bool = False) -> None:
        try:
            with self._leases.loading(model.name):
                self._load_alone(model, anew=anew)
        except PermissionError:
            self._load_alone(model, anew=anew)

    def _load_alone(self, model: TritonModel, *, anew: bool) -> None:
        if not anew and self._control.has(model.name):
            return  # by another worker, meanwhile
        release = model.release
        self._repository.write(release.folder, release.manifest)
        self._control.load(model.name)
        _log.info("model_loaded", model=model.name, url=self._settings.url)

    def _go_on(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(self._seconds)
            self._wake.clear()
            if self._ended.is_set():
                return
            try:
                self._look()
            except Exception:
                # Whatever it was, the thread must live on: without it nothing comes back.
                _log.exception("look_failed")

    def _look(self) -> None:
        with self._lock:
            held = list(self._held)
            now = time.monotonic()
            over = [lease for end, lease in self._leaving if end <= now]
            self._leaving = [one for one in self._leaving if one[0] > now]
        for lease in over:
            lease.close()
        for tower in held:
            self._judge(tower)
        self._note()
        self._unload_unheld()

    def _note(self) -> None:
        with self._lock:
            faults = [tower.fault for tower in self._held if tower.fault is not None]
        if faults:
            self._parts.ill(TOWER, faults[0].reason, faults[0].why)
        else:
            self._parts.well(TOWER)

    def _unload_unheld(self) -> None:
        """Unload what its last holder has left, and what killed ones had."""
        if not self._settings.unload:
            return
        try:
            with self._leases.unheld() as models:
                for model in models:
                    if self._control.has(model):
                        self._control.unload(model)
                        _log.info("model_unloaded", model=model)
        except (ColistenError, OSError) as error:
            # Their files stay, so the next look tries again.
            _log.warning("model_not_unloaded", error=str(error))
