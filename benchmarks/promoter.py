"""Promotes releases in a process of its own and of low priority, as an operator would by `nice`.

with promoter(home) as promote:
    promote(release_id)
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.serving_homes import EXACT
from colisten.index import open_index
from colisten.release.store import ReleaseStore

NICE = 10
_DONE = "promoted"


@contextmanager
def promoter(home: Path) -> Iterator[Callable[[str], None]]:
    """What makes a release of a folder live, and returns once it is."""
    command = ["nice", f"-n{NICE}", sys.executable, "-m", __name__, str(home)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asking, answers = process.stdin, process.stdout

        def promote(release_id: str) -> None:
            print(release_id, file=asking, flush=True)
            # What it logs stands between.
            if not any(line == f"{_DONE}\n" for line in iter(answers.readline, "")):
                raise RuntimeError(f"{release_id} was not promoted.")

        try:
            yield promote
        finally:
            asking.close()


def serve(home: Path) -> None:
    """Promote what is named on standard input, a line each."""
    store = ReleaseStore(home)
    for line in sys.stdin:
        with open_index(home, EXACT) as index:
            store.promote(line.strip(), index)
        print(_DONE, flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
