"""`colisten simulate`: write a listening world with planted truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import SeedOption
from colisten.data.moments import parse_moment
from colisten.errors import ConfigError
from colisten.simulator import WorldSettings
from colisten.simulator import simulate as simulate_world
from colisten.terminal import Terminal

_DEFAULT = WorldSettings()


def simulate(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder for the world: new, empty, or holding a former world alone.",
        ),
    ],
    users: Annotated[int, typer.Option(min=20, help="Users.")] = _DEFAULT.users,
    audiobooks: Annotated[int, typer.Option(min=40, help="Audiobooks.")] = _DEFAULT.audiobooks,
    podcasts: Annotated[int, typer.Option(min=40, help="Podcasts.")] = _DEFAULT.podcasts,
    music: Annotated[
        int, typer.Option(min=0, help="Artists, items of a third type; 0: none.")
    ] = _DEFAULT.music,
    author_taste: Annotated[
        float,
        typer.Option(min=0, max=1, help="How alike an author's titles are; above 0 with links."),
    ] = _DEFAULT.author_taste,
    days: Annotated[int, typer.Option(min=28, help="Days of listening.")] = _DEFAULT.days,
    end: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="First day (UTC) after the last event.")
    ] = _DEFAULT.end.isoformat(),
    seed: SeedOption = _DEFAULT.seed,
    as_json: JsonOption = False,
) -> None:
    """Simulate a world of people who listen to audiobooks, podcasts and music.

    Writes the tables that `colisten run` takes (items, users, music, interactions and, where
    authors matter, links) and, aside in truth/, the tastes that made them: no model reads those;
    they answer for the users when a shelf is shown to them. Text shows a part of each taste only,
    the rest shows in who listens to what.

    The table at the end holds the world's figures, measured on the files, beside those that the
    2T-HGNN paper publishes.

    Example: colisten simulate --out world --users 20000 --seed 1
    """
    try:
        settings = WorldSettings(
            users=users,
            audiobooks=audiobooks,
            podcasts=podcasts,
            music=music,
            author_taste=author_taste,
            days=days,
            end=parse_moment(end, "--end").date(),
            seed=seed,
        )
    except ValidationError as error:
        reasons = "; ".join(detail["msg"] for detail in error.errors(include_url=False))
        raise ConfigError(f"This is no world: {reasons}.") from error
    report = simulate_world(out, settings)
    if as_json:
        print_document({"world": out, **report.to_dict()})
        return
    console = Terminal()
    console.print(report)
    console.print(f"Written to {out}. Suggested cut {report.cut}, {report.window_days} days after.")
    console.print("Next:", style="bold")
    types = " --set 'data.context_types=[music,podcast]'" if music else ""
    # One line whatever the terminal's width: it is there to be copied.
    console.print(
        f"  colisten run --data {out} --cut {report.cut} --window-days {report.window_days} "
        f"--out {out}-run{types}",
        soft_wrap=True,
        highlight=False,
    )
