"""`colisten events`: put what a user just did into the online history."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from colisten.data.moments import parse_moment
from colisten.errors import ConfigError

app = typer.Typer(help="Fresh listening events.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keeps `push` a subcommand while it is the only one."""


@app.command()
def push(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder given to `colisten run --out`.")
    ],
    user: Annotated[str, typer.Option("--user", help="Who did it.")],
    item: Annotated[str, typer.Option("--item", help="To which item.")],
    item_type: Annotated[str, typer.Option("--type", help="audiobook or podcast.")],
    signal: Annotated[
        str, typer.Option("--signal", help="stream, follow, preview or intent_to_pay.")
    ] = "stream",
    at: Annotated[
        str | None, typer.Option("--at", help="ISO 8601 moment with a zone; default: now.")
    ] = None,
) -> None:
    """Push one event into the online feature store; a running service sees it at once.

    Judged as the service judges one: an event that no history may hold is refused, with exit code
    2, and so is one that gives an item of the live release another type. Where the store does not
    answer the exit code is 1.

    Example: colisten events push --out out --user u42 --item a7 --type audiobook
    """
    import numpy as np

    from colisten.features.events import Event
    from colisten.features.names import CONFIG_FILE
    from colisten.features.store import OnlineFeatures
    from colisten.release.recording import live_items, record_event

    moment = datetime.now(UTC) if at is None else parse_moment(at, "--at", naive="refused")
    event = Event(user, item, item_type, signal, moment)
    event.check()
    folder = out / "features"
    if not (folder / CONFIG_FILE).is_file():
        raise ConfigError(
            f"No feature store at {folder}.", "Give the folder given to `colisten run --out`."
        )

    def store(judged: Event) -> bool:
        # Opened once there is an event to store: that takes seconds.
        return OnlineFeatures(folder, lambda ids: np.full(len(ids), -1), (), 0).push(judged)

    recorded = record_event(event, live_items(out), store)
    state = "is now" if recorded.new else "was already"
    print(f"{_line(user)}: {signal} of {_line(item)} {state} in the online history.")
    if recorded.known_item is None:
        print("No release is live: whether the catalogue has the item, as this type, is unknown.")
    elif not recorded.known_item:
        print("The live release does not have the item: it counts from the next one that does.")


def _line(text: str) -> str:
    """An id on one line of a terminal, whatever it holds."""
    short = text if len(text) <= 80 else f"{text[:79]}…"
    return short if short.isprintable() else repr(short)
