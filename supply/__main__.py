"""python -m supply lock|sbom|images|pins."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from supply.images import write_images
from supply.lock import write_lock
from supply.pins import write_pins
from supply.sbom import write_sbom

WORDS: dict[str, Callable[[Sequence[str]], None]] = {
    "lock": lambda words: write_lock(),
    "sbom": lambda words: write_sbom(),
    "images": write_images,
    "pins": write_pins,
}

if __name__ == "__main__":
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word not in WORDS:
        sys.exit(f"python -m supply {'|'.join(WORDS)}")
    WORDS[word](sys.argv[2:])
