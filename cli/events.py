"""`colisten events`: put what a user just did into the online history."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import OutOption
from colisten.data.moments import parse_moment
from colisten.errors import ConfigError
from colisten.shown import plain
from colisten.terminal import Terminal

_SHOWN_CHARS = 80

app = typer.Typer(help="Fresh listening events.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keeps `push` a subcommand while it is the only one."""


@app.command()
def push(
    out: OutOption,
    user: Annotated[str, typer.Option("--user", help="Who did it.")],
    item: Annotated[str, typer.Option("--item", help="To which item.")],
    item_type: Annotated[str, typer.Option("--type", help="The item's type, as in its table.")],
    signal: Annotated[
        str | None,
        typer.Option(
            "--signal",
            help="What was done, one of data.signals; default: the first of data.start_signals.",
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="ISO 8601 moment with a zone; default: now.")
    ] = None,
    as_json: JsonOption = False,
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
    from colisten.features.users import UserFields
    from colisten.release.feature_files import bound_features, meant_release, repository_of
    from colisten.release.recording import live_items, record_event

    moment = datetime.now(UTC) if at is None else parse_moment(at, "--at", zone_needed=True)
    release = meant_release(out)
    folder = repository_of(out, release)
    if not (folder / CONFIG_FILE).is_file():
        raise ConfigError(
            f"No feature store at {folder}.", "Give the folder given to `colisten run --out`."
        )

    signal = signal or _start_signal(out)
    event = Event(user, item, item_type, signal, moment)
    items = live_items(out)
    # Without a release nobody can tell which items are unknown, and all are kept alike.
    index_of = (lambda ids: np.zeros(len(ids), int)) if items is None else items.index_of
    bound = None if release is None else bound_features(out, release)
    features = OnlineFeatures(folder, index_of, UserFields(), bound=bound)
    known = UserFields(features.types, features.signals)
    recorded = record_event(event, known, items, features.push)
    if as_json:
        print_document({"new": recorded.new, "known_item": recorded.known_item})
        return
    state = "is now" if recorded.new else "was already"
    lines = [f"The {signal} of {_short(item)} {state} in the user's online history."]
    if recorded.known_item is None:
        lines.append("No release is live, so nobody could tell whether the item has this type.")
    elif not recorded.known_item:
        lines.append("The live release does not have the item: it counts from the next that does.")
    for line in lines:
        Terminal().print(plain(line), soft_wrap=True, highlight=False)


def _start_signal(out: Path) -> str:
    """The first signal that counts as a start in the live release."""
    from colisten.release.store import ReleaseStore

    manifest = ReleaseStore(out).live_manifest()
    if manifest is None:
        raise ConfigError("No release is live, which would say what was done.", "Give --signal.")
    return manifest.start_signals[0]


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
