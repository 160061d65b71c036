"""`colisten serve`: answer over HTTP from the live release of a folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import (
    ConfigOption,
    OptionalOutOption,
    SetOption,
    StoreOption,
    place_of,
)
from colisten.settings.tree import load_settings


def serve(
    out: OptionalOutOption = None,
    store: StoreOption = None,
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

    With --store it follows the store: --out is then the folder that mirrors it, without which one
    of the user's alone does.

    With --json the document says where, before the service takes its first request: ask
    /readyz when it does.

    Example: colisten serve --out out --port 3000
    """
    from colisten.serving.environment import Environment, mirror_folder
    from colisten.serving.launch import check_address, check_home, launch, mirror_now

    settings = load_settings(config, tuple(overrides or ()))
    # --out beside --store is the folder that mirrors it.
    place = place_of(None if store else out, store)
    address = None if isinstance(place, Path) else place
    home = place if isinstance(place, Path) else mirror_folder(place, out)
    if as_json:
        environment = Environment(home, settings, address)
        mirror_now(environment)
        check_home(environment)
        check_address(host, port)
        print_document(
            {"host": host, "port": port, "workers": workers, "pid": os.getpid(), "out": home}
        )
        # What the service and its workers write to descriptor 1 is for no script.
        os.dup2(sys.stderr.fileno(), 1)
    launch(home, settings, host=host, port=port, workers=workers, store=address)
