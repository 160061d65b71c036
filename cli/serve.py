"""`colisten serve`: answer over HTTP from the live release of a folder."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import ConfigOption, OutOption, SetOption
from colisten.settings.tree import load_settings


def serve(
    out: OutOption,
    host: Annotated[str, typer.Option(help="IP address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve shelves over HTTP from the live release; follows promotions and rollbacks by itself.

    Starts the embedded index server beside it where the release was published to one, and ends
    it again. Ends on Ctrl-C or SIGTERM.

    With --json the document says where, before the service takes its first request: ask
    /readyz when it does.

    Example: colisten serve --out out --port 3000
    """
    from colisten.serving.environment import Environment
    from colisten.serving.launch import check_address, check_home, launch

    settings = load_settings(config, tuple(overrides or ()))
    if as_json:
        check_home(Environment(out, settings))
        check_address(host, port)
        print_document(
            {"host": host, "port": port, "workers": workers, "pid": os.getpid(), "out": out}
        )
        # What the service and its workers write to descriptor 1 is for no script.
        os.dup2(sys.stderr.fileno(), 1)
    launch(out, settings, host=host, port=port, workers=workers)
