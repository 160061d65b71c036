"""`colisten events`: put what a user just did into the online history."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from colisten.data.moments import parse_moment
from colisten.errors import ConfigError
from colisten.terminal import Terminal

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

    Example: colisten events push --out out --user u42 --item a7 --type audiobook
    """
    import numpy as np
    from pydantic import ValidationError

    from colisten.features.events import Event
    from colisten.features.store import OnlineFeatures
    from serving.messages import EventRequest, fault_of

    try:
        request = EventRequest(
            user_id=user,
            item_id=item,
            item_type=item_type,  # type: ignore[arg-type]  # the model checks it
            signal=signal,  # type: ignore[arg-type]  # the model checks it
            timestamp=_moment(at),
        )
    except ValidationError as error:
        raise ConfigError(f"This is no event: {fault_of(error).message}.") from error
    features = OnlineFeatures(out / "features", lambda ids: np.full(len(ids), -1), (), 0)
    written = features.push(Event(**request.model_dump()))
    state = "is now" if written else "was already"
    Terminal().print(f"{user}: {signal} of {item} {state} in the online history.")


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    return parse_moment(text, "--at", naive="refused")
