"""kubectl as tests use it: to render, which asks no cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from k8s.checks.rendered import Rendered

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
CLUSTER = K8S / "overlays" / "production" / "cluster.yaml"
# Where .ci/run leaves the one that it fetched.
_FETCHED = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "colisten" / "kubectl"


def kubectl() -> str:
    """The program; skips where there is none."""
    found = shutil.which("kubectl") or shutil.which("kubectl", path=str(_FETCHED))
    if found is None:
        pytest.skip("kubectl is not installed")
    return found


@cache
def text_of(folder: Path) -> str:
    """What kubectl prints for a folder with a kustomization."""
    done = subprocess.run(
        [kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a warning is of something that will not be taken for long"
    return done.stdout


def rendered(name: str) -> Rendered:
    """The objects of a folder below k8s/."""
    return Rendered.read(text_of(K8S / name))
