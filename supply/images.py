"""The images of images/Containerfile: built, listed by digest, their packages written down.

`make images` leaves in build/images:
    images.json           each image by name and digest, which is what a cluster is told to run
    TARGET.cdx.json       its bill of materials, by syft: Debian's packages and Python's
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from supply.containers import Containers, cache_folder, missing_tools
from supply.debian import debian_base
from supply.image_locks import IMAGES, ROOT, TARGETS, TRIALS
from supply.wheels import build_wheel, fetch_wheels

OUT = ROOT / "build" / "images"
LIST = "images.json"
REGISTRY = "localhost/colisten"
# A mounted image is a folder to syft, which it would search for sources.
_CATALOGERS = "dpkg-db-cataloger,python-installed-package-cataloger"


@dataclass(frozen=True)
class Image:
    """A built image.

    Attributes:
        target: Of the Containerfile.
        reference: `name@sha256:...`, which names these bytes and no others.
        size: Bytes of its files, uncompressed, layers shared with others included.
        packages: Names and versions, Debian's first.
    """

    target: str
    reference: str
    size: int
    packages: tuple[str, ...]


def build_images(
    targets: Sequence[str], *, out: Path, cache: Path, base: str | None, registry: str
) -> list[Image]:
    """Build images and write `images.json` and a bill of materials of each.

    Args:
        targets: Of the Containerfile.
        out: Folder for what is written.
        cache: Folder for storage, wheels and the base, kept between builds.
        base: Debian 12 with Python by `name@sha256:...`; None makes one of Debian's packages.
        registry: Where names begin; one that is not `localhost` is pushed to, and its digests are
            those that count.

    Raises:
        RuntimeError: A build failed; the message ends with its last lines.
    """
    containers = Containers(cache)
    said = {"VERSION": _version(), "REVISION": _revision()}
    common = base or debian_base(containers, cache)
    ours = [target for target in targets if target not in TRIALS]
    sources = dict.fromkeys(ours, _of_ours(common, cache)) if ours else {}
    trials = [target for target in targets if target in TRIALS]
    sources |= {target: _of_trial(target, containers, cache) for target in trials}
    out.mkdir(parents=True, exist_ok=True)
    built = []
    for target in targets:
        name = f"{registry}/{target}:{said['VERSION']}"
        wheels, arguments = sources[target]
        _build(containers, target, name, wheels, arguments | said)
        built.append(_described(containers, target, name, out, cache / "bills"))
    images = {one.target: _told(one) for one in built}
    listed = {"base": common, "revision": said["REVISION"], "images": images}
    (out / LIST).write_text(json.dumps(listed, indent=1) + "\n")
    return built


def _of_ours(base: str, cache: Path) -> tuple[Path, dict[str, str]]:
    """The wheels of our own targets, colisten's among them, and what their build is told."""
    wheels = fetch_wheels(TARGETS, cache / "wheels")
    wheel, digest = build_wheel(wheels)
    return wheels, {"BASE": base, "WHEEL": wheel, "WHEEL_DIGEST": digest}


def _of_trial(target: str, containers: Containers, cache: Path) -> tuple[Path, dict[str, str]]:
    """The same of a server to try manifests with: Debian's packages of it are in its base."""
    trial = TRIALS[target]
    wheels = fetch_wheels([target] if trial.locked else [], cache / "wheels")
    return wheels, {"BASE": debian_base(containers, cache, trial.debian)}


def _told(image: Image) -> dict[str, Any]:
    told = asdict(image)
    return {key: value for key, value in told.items() if key != "target"}


def _build(
    containers: Containers, target: str, name: str, wheels: Path, arguments: dict[str, str]
) -> None:
    command: list[str | Path] = ["buildah", "bud", "--layers", "--timestamp", "0", "--quiet"]
    command += ["--file", IMAGES / "Containerfile", "--target", target, "--tag", name]
    command += ["--build-context", f"wheels={wheels}"]
    for key, value in arguments.items():
        command += ["--build-arg", f"{key}={value}"]
    containers.answer(*command, ROOT)


def _described(containers: Containers, target: str, name: str, out: Path, bills: Path) -> Image:
    looked = json.loads(containers.answer("podman", "image", "inspect", name))[0]
    digest = looked["Digest"]
    bill = _bill(containers, name, bills / f"{digest.partition(':')[2]}.cdx.json")
    shutil.copy(bill, out / f"{target}.cdx.json")
    if not name.startswith("localhost/"):
        file = out / f"{target}.digest"
        containers.answer("buildah", "push", "--digestfile", file, name)
        digest = file.read_text().strip()
        file.unlink()
    reference = f"{name.rpartition(':')[0]}@{digest}"
    return Image(target, reference, looked["Size"], _packages(bill))


def _bill(containers: Containers, name: str, file: Path) -> Path:
    """The bill of materials of an image, in a file that is named by what the image holds."""
    if file.exists():
        return file
    file.parent.mkdir(exist_ok=True)
    aside = file.with_suffix(".partial")
    place = containers.answer("podman", "image", "mount", name)
    try:
        syft = Path(sys.executable).with_name("syft")
        command: list[str | Path] = [syft, "scan", f"dir:{place}", "--quiet"]
        command += ["--override-default-catalogers", _CATALOGERS]
        command += ["--source-name", name, "--output", f"cyclonedx-json={aside}"]
        containers.answer(*command)
    finally:
        containers.run(["podman", "image", "unmount", name])
    return aside.rename(file)


def _packages(bill: Path) -> tuple[str, ...]:
    """Names and versions, Debian's first."""
    parts: list[dict[str, Any]] = json.loads(bill.read_text())["components"]
    found = {
        (not part.get("purl", "").startswith("pkg:deb"), f"{part['name']} {part['version']}")
        for part in parts
        if part["type"] == "library"
    }
    return tuple(text for _, text in sorted(found))


def _version() -> str:
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert isinstance(said, str)
    return said


def _revision() -> str:
    """The commit that is checked out, marked where files differ from it; empty without git."""
    if shutil.which("git") is None:
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match", ""]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def write_images(words: Sequence[str] = ()) -> None:
    """What `python -m supply images` does."""
    parser = argparse.ArgumentParser(prog="python -m supply images")
    parser.add_argument("targets", nargs="*", default=[*TARGETS], help="all where none is named")
    parser.add_argument("--base", help="Debian 12 with python3, as name@sha256:...")
    parser.add_argument("--registry", default=REGISTRY, help="push there, such as ghcr.io/us")
    parser.add_argument("--out", type=lambda text: Path(text).resolve(), default=OUT)
    chosen = parser.parse_args(words)
    if chosen.base is not None and "@sha256:" not in chosen.base:
        parser.error("--base: name it by digest, name@sha256:..., for a tag changes")
    if unknown := sorted({*chosen.targets} - {*TARGETS, *TRIALS, "triton"}):
        parser.error(f"no target {', '.join(unknown)}")
    trials = sorted({*chosen.targets} & {*TRIALS})
    if chosen.base and trials:
        parser.error(f"--base: {', '.join(trials)} are made of Debian's packages, without it")
    more = () if chosen.base else ("mmdebstrap",)
    if missing := missing_tools(*more):
        sys.exit(f"Not installed: {', '.join(missing)}. On Debian apt-get installs them.")
    built = build_images(
        chosen.targets,
        out=chosen.out,
        cache=cache_folder(),
        base=chosen.base,
        registry=chosen.registry,
    )
    for one in built:
        print(f"{one.reference}  {one.size / 1e6:.0f} MB  {len(one.packages)} packages")
    print(f"Listed in {chosen.out / LIST}.")
