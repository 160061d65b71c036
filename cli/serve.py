"""`colisten serve`: answer over HTTP from the live release of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colisten.settings.tree import load_settings


def serve(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder given to `colisten run --out`.")
    ],
    host: Annotated[str, typer.Option(help="IP address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML file of settings (see docs/settings.md).")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting, as section.name=value; repeatable."),
    ] = None,
) -> None:
    """Serve shelves over HTTP from the live release; follows promotions and rollbacks by itself.

    Starts the embedded index server beside it where the release was published to one, and ends
    it again. Ends on Ctrl-C or SIGTERM.

    Example: colisten serve --out out --port 3000
    """
    from colisten.serving.launch import launch

    launch(
        out,
        load_settings(config, tuple(overrides or ())),
        host=host,
        port=port,
        workers=workers,
    )
