"""`colisten recommend`: the shelves of users from a release, without a service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.filters import (
    ExcludeOption,
    IncludeOption,
    LanguageOption,
    LeftOutOption,
    RangeOption,
    read_filter,
)
from colisten.cli.inputs import OutOption
from colisten.cli.shelf import KOption, ReleaseOption, opened, print_shelf
from colisten.cli.user_ids import every_user, read_user_ids
from colisten.data.ids import id_fault
from colisten.errors import ConfigError
from colisten.progress import track
from colisten.terminal import Terminal
from colisten.words import shown

if TYPE_CHECKING:
    from colisten.release.front import Release, Shelf

# More than these on a terminal or a page are for nobody to read.
_MOST_SHOWN = 100


def recommend(
    out: OutOption,
    user: Annotated[
        list[str] | None, typer.Option("--user", metavar="ID", help="Whose shelf; repeatable.")
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option(
            "--users",
            metavar="FILE",
            help="Many users: a parquet or CSV file with a column user_id, or one id a line.",
        ),
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="Every user that the features know.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FILE", help="Parquet file for the shelves, instead of printing them."
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="A page with the shelves, for a browser."),
    ] = None,
    k: KOption = 10,
    release_id: ReleaseOption = None,
    language: LanguageOption = None,
    include: IncludeOption = None,
    unwanted: ExcludeOption = None,
    ranges: RangeOption = None,
    left_out: LeftOutOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a release recommends to users, with titles and reasons; no service is needed.

    Answers as the service does where its index does not answer: by exact search, and with popular
    items to users of whom nothing is known, which is said. --to writes a row per item: user_id,
    rank, item_id, title, score and inner_product (null where it is popularity that picked),
    release_id. --html writes a page that opens offline.

    \b
    Example: colisten recommend --out out --user u1 -k 5
      colisten recommend --out out --user u1 --language de --filter-include genres=crime
      colisten recommend --out out --all --to shelves.parquet
    """
    ids = _ids(out, user, users, everyone)
    if to is not None and html is not None:
        raise ConfigError("recommend takes one of --to and --html.", "Run it once for each.")
    if to is None and (html is not None or not as_json) and len(ids) > _MOST_SHOWN:
        raise ConfigError(
            f"{len(ids):,} shelves are too many to show.", "Name a file: --to shelves.parquet."
        )
    release = opened(out, release_id)
    kinds = release.loaded.columns.kinds
    wanted = read_filter(kinds, language, include, unwanted, ranges, left_out)
    shelves = track(release.shelves(ids, k, wanted), "Shelves", total=len(ids))
    if to is not None:
        _write(shelves, to, release.release_id, as_json)
    elif html is not None:
        _write_page(release, shelves, html, as_json)
    elif as_json:
        print_document({"release_id": release.release_id, "shelves": list(shelves)})
    else:
        for shelf in shelves:
            note = "" if shelf.known else "; nothing is known of this user: popular items"
            print_shelf(f"{shelf.user_id}; release {release.release_id}{note}", shelf.items)


def _ids(out: Path, user: Sequence[str] | None, users: Path | None, everyone: bool) -> list[str]:
    if (user is not None) + (users is not None) + everyone != 1:
        raise ConfigError(
            "recommend needs one of --user, --users and --all.", "Name a user: --user ID."
        )
    if user is None:
        return every_user(out) if users is None else read_user_ids(users)
    for each in user:
        if fault := id_fault(each):
            raise ConfigError(f"--user {shown(each)} {fault}.", "Give a user's id.")
    return list(dict.fromkeys(user))


def _write(shelves: Iterable[Shelf], to: Path, release_id: str, as_json: bool) -> None:
    from colisten.release.shelf_table import write_shelves

    counts = write_shelves(shelves, to, release_id)
    if as_json:
        print_document({"release_id": release_id, "file": to, **asdict(counts)})
        return
    lines = [f"{counts.rows:,} items for {counts.users:,} users in {to}."]
    if counts.unknown:
        lines.append(f"Nothing is known of {counts.unknown:,} of them: popular items.")
    if counts.empty:
        lines.append(f"{counts.empty:,} shelves are empty: they have no row.")
    for line in lines:
        Terminal().print(line, soft_wrap=True, highlight=False)


def _write_page(release: Release, shelves: Iterable[Shelf], html: Path, as_json: bool) -> None:
    from colisten.pages import write_page
    from colisten.reports.shelf import to_html

    manifest = release.manifest
    content = to_html(
        list(shelves),
        release_id=release.release_id,
        target_type=manifest.target_type,
        as_of=manifest.as_of,
    )
    write_page(html, content)
    if as_json:
        print_document({"release_id": release.release_id, "file": html})
        return
    Terminal().print(str(html), soft_wrap=True, highlight=False)
