"""The images of this machine's `make images`, written where manifests name images by digest.

    python -m supply pins [k8s/overlays/production]

Of an overlay two files name them: the `images` of its kustomization.yaml and, where it has one, the
`images` of its cluster.yaml. What was not built stays as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from colisten.json_files import read_json
from supply.image_locks import ROOT
from supply.images import LIST, OUT

OVERLAY = ROOT / "k8s" / "overlays" / "production"


def write_pins(words: Sequence[str]) -> None:
    """Replace the digests of an overlay, the production one unless another is named."""
    listed = OUT / LIST
    if not listed.is_file():
        sys.exit(f"No {listed.relative_to(ROOT)}: run `make images` first.")
    built = {name: str(one["reference"]) for name, one in read_json(listed)["images"].items()}
    folder = Path(words[0]) if words else OVERLAY
    for file in (folder / "kustomization.yaml", folder / "cluster.yaml"):
        if file.is_file():
            file.write_text(pinned(file.read_text(), built))
            print(f"Wrote {file}.")


def pinned(text: str, built: Mapping[str, str]) -> str:
    """A file's text with these images in the place of those that it named.

    Args:
        text: Of a kustomization or a cluster.yaml, whose comments stay.
        built: By target, as `name@sha256:...`.
    """
    for target, reference in built.items():
        name, _, digest = reference.partition("@")
        text = re.sub(
            rf"(?m)^(  - name: colisten/{target}\n    newName: ).*(\n    digest: ).*$",
            rf"\g<1>{name}\g<2>{digest}",
            text,
        )
        text = re.sub(rf"(?m)^(  {target}: )\S+@sha256:\S+$", rf"\g<1>{reference}", text)
    return text
