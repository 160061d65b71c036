"""python -m supply lock|sbom."""

from __future__ import annotations

import sys
from collections.abc import Callable

from supply.lock import write_lock
from supply.sbom import write_sbom

WORDS: dict[str, Callable[[], None]] = {"lock": write_lock, "sbom": write_sbom}

if __name__ == "__main__":
    word = sys.argv[1] if len(sys.argv) == 2 else ""
    if word not in WORDS:
        sys.exit(f"python -m supply {'|'.join(WORDS)}")
    WORDS[word]()
