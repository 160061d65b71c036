"""`python -m k8s.checks`, as somebody calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.k8s.kubectl import CLUSTER, K8S, ROOT, text_of


def checked(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "k8s.checks", *options],
        input=text_of(folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_wrong_is_said_in_a_line() -> None:
    done = checked(K8S / "overlays" / "local")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "11 objects, nothing wrong.\n"


def test_what_is_wrong_is_a_line_each(tmp_path: Path) -> None:
    done = checked(K8S / "tests" / "mistakes" / "mutable_tag", "--cluster", str(CLUSTER))
    assert done.returncode == 1
    assert "digest: Deployment/colisten-serving: " in done.stdout


@pytest.mark.parametrize("version", ["1.32", "1.37"])
def test_an_object_that_kubernetes_refuses_is_a_line(version: str, tmp_path: Path) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: y}\n"
    (tmp_path / "x.yaml").write_text(f"{service}spec: {{prots: []}}\n")
    (tmp_path / "kustomization.yaml").write_text("resources: [x.yaml]\n")
    done = checked(tmp_path, "--kubernetes", version)
    assert done.returncode == 1
    assert f"schema: Service/x: Kubernetes {version}: " in done.stdout
    assert "prots" in done.stdout


def test_a_cluster_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    done = checked(K8S / "overlays" / "local", "--cluster", str(tmp_path / "none.yaml"))
    assert done.returncode == 2
    assert "Cannot read" in done.stderr
