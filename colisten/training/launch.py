"""Train an HGNN from files, in one process or, under `torchrun`, in several.

    torchrun --standalone --nproc-per-node 2 -m colisten.training.launch \\
        --graph graph --text vectors.npy --settings settings.json --out hgnn

Every process draws the same batches and takes its share: two processes with `hgnn.batch_size` b
train as one with 2 b. Rank 0 writes; killed and started again, training goes on.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from colisten.child import end_with
from colisten.graph.graph import CoListeningGraph
from colisten.logs import configure_logs
from colisten.settings.tree import Settings
from colisten.training.hgnn import train_hgnn


def main() -> None:
    """Read the arguments, train, write the model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graph", type=Path, required=True, help="folder of a saved graph")
    parser.add_argument("--text", type=Path, required=True, help=".npy of text vectors, one a row")
    parser.add_argument("--settings", type=Path, help="JSON of settings; defaults without it")
    parser.add_argument("--out", type=Path, required=True, help="folder of the result, shared")
    given = parser.parse_args()
    end_with(os.getppid())
    configure_logs()
    settings = (
        Settings() if given.settings is None else Settings.from_json(given.settings.read_text())
    )
    text = np.load(given.text, mmap_mode="r", allow_pickle=False)
    train_hgnn(
        CoListeningGraph.load(given.graph),
        text,
        settings.hgnn,
        seed=settings.seed,
        threads=settings.threads,
        out=given.out,
    )


if __name__ == "__main__":
    main()
