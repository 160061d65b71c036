"""Which place of towers the settings name, opened."""

from __future__ import annotations

from colisten.serving.circuit_breaker import CircuitBreaker
from colisten.serving.environment import Environment
from colisten.serving.parts import Parts
from colisten.serving.tower_place import InProcess, TowerPlace


def tower_place(environment: Environment, parts: Parts) -> TowerPlace:
    """The place of `serving.tower`; raises ConfigError where the extra `triton` is missing."""
    serving, triton = environment.settings.serving, environment.settings.triton
    if serving.tower == "in_process":
        return InProcess()
    from colisten.serving.triton_place import TritonPlace

    breaker = CircuitBreaker(
        "triton",
        triton.deadline_ms / 1000,
        failures=serving.rest_after,
        rest_seconds=serving.rest_seconds,
    )
    return TritonPlace(
        environment.home,
        triton,
        breaker,
        parts,
        seconds=serving.inspect_seconds,
        grace_seconds=serving.deadline_ms / 1000,
    )
