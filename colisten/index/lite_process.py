"""The child process of `LiteServer`: python -m colisten.index.lite_process FOLDER PORT PARENT."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from colisten.child import end_with
from colisten.extras import needs

HOST = "127.0.0.1"


def serve(database: Path, port: int, parent: int) -> None:
    """Hold a Milvus Lite folder and answer on loopback until a signal or the parent's end.

    Args:
        database: Folder.
        port: Where to listen on 127.0.0.1.
        parent: Process whose end ends this one, so that a killed parent leaves no orphan that
            keeps the folder locked.
    """
    needs("milvus_lite")
    from milvus_lite.cmdline import main

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt  # what Milvus Lite shuts down cleanly on

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)  # a shell may have set it to be ignored

    end_with(parent)
    main(["server", "--data-dir", str(database), "--host", HOST, "--port", str(port)])


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
