"""The child process of `LiteServer`: python -m colisten.index.lite_process FOLDER SOCKET PARENT."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from colisten.child import end_with
from colisten.extras import needs
from colisten.index.lite_socket import remove_socket


def serve(database: Path, place: Path, parent: int) -> None:
    """Hold a Milvus Lite folder and answer at a socket until a signal or the parent's end.

    Args:
        database: Folder.
        place: The socket, in a folder of its own, which goes with this process.
        parent: Process whose end ends this one, so that a killed parent leaves no orphan that
            keeps the folder locked.
    """
    needs("milvus_lite")
    from milvus_lite.adapter.grpc.server import run_server

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt  # what Milvus Lite shuts down cleanly on

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)  # a shell may have set it to be ignored

    end_with(parent)
    try:
        # It joins what it calls host and port by a colon.
        run_server(str(database), "unix", place)
    finally:
        remove_socket(place)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
