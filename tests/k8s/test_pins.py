"""One command writes the digests of one's own images where the manifests name images."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from colisten.json_files import write_json
from colisten.settings.cluster import load_cluster
from k8s.checks.rendered import Rendered, strings
from k8s.checks.run import findings
from supply import pins
from supply.image_locks import TRIALS
from tests.k8s.kubectl import K8S, ROOT, text_of

BUILT = {
    name: f"registry.example/own/{name}@sha256:{digit * 64}"
    for name, digit in zip(("light", "training", "monitoring", "serving"), "abcd", strict=True)
}


def test_an_overlay_runs_what_was_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(K8S, tmp_path / "k8s")
    write_json(
        tmp_path / "images.json", {"images": {k: {"reference": v} for k, v in BUILT.items()}}
    )
    monkeypatch.setattr(pins, "OUT", tmp_path)
    overlay = tmp_path / "k8s" / "overlays" / "production"
    before = (overlay / "kustomization.yaml").read_text()
    pins.write_pins([str(overlay)])
    objects = Rendered.read(text_of(overlay))
    cluster = load_cluster(overlay / "cluster.yaml")
    images = {text for one in objects.objects for path, text in strings(one) if "image" in path}
    assert {BUILT["light"], BUILT["training"], BUILT["serving"]} <= images
    assert {str(one) for one in cluster.images.values()} == set(BUILT.values()) - {BUILT["serving"]}
    assert not [one for one in findings(objects, cluster) if one.check in ("digest", "store")]
    # What was not built stays, and so do comments.
    changed = (overlay / "kustomization.yaml").read_text()
    assert "registry.example/colisten/triton" in changed
    lines = zip(before.splitlines(), changed.splitlines(), strict=True)
    other = [one for one, now in lines if one != now]
    assert len(other) == 6, "a name and a digest of each of three"


def test_every_pod_of_one_node_runs_what_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(K8S, tmp_path / "k8s")
    targets = zip(("serving", *TRIALS), "abcd", strict=True)
    built = {name: f"localhost/own/{name}@sha256:{digit * 64}" for name, digit in targets}
    write_json(
        tmp_path / "images.json", {"images": {k: {"reference": v} for k, v in built.items()}}
    )
    monkeypatch.setattr(pins, "OUT", tmp_path)
    overlays = tmp_path / "k8s" / "overlays"
    # One lies on the other: each names the service's image.
    for name in ("local", "local-stores"):
        pins.write_pins([str(overlays / name)])
    objects = Rendered.read(text_of(overlays / "local-stores"))
    images = {one["image"] for workload in objects.workloads for one in workload.containers}
    assert images == set(built.values())


def test_nothing_is_pinned_that_was_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "OUT", ROOT / "build" / "nothing-was-built")
    with pytest.raises(SystemExit, match="run `make images` first"):
        pins.write_pins([str(tmp_path)])
