"""Nobody is told that colisten runs: the switches of libraries that would tell their makers.

A switch is read as its library is imported, or once at its first call. So `import colisten` sets
them before it loads anything, for the library, the command line, a component and a worker of the
service alike. What the environment says already stays: whoever wants to tell may.
"""

from __future__ import annotations

from collections.abc import MutableMapping

SWITCHES = {
    # BentoML takes no other word for yes.
    "BENTOML_DO_NOT_TRACK": "True",
    # Evidently, the Hugging Face hub, and whoever else heeds it.
    "DO_NOT_TRACK": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "EVIDENTLY_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # ONNX Runtime, whose compiled code calls its maker some ten seconds after the first session.
    "ORT_DISABLE_TELEMETRY": "1",
}


def switch_off(environment: MutableMapping[str, str]) -> None:
    """Say no to whatever is loaded or started from now on."""
    for name, value in SWITCHES.items():
        environment.setdefault(name, value)
