"""`colisten release`: look at releases, switch the live one, go back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from colisten.cli.documents import JsonOption, print_document
from colisten.cli.inputs import (
    ConfigOption,
    OptionalOutOption,
    OutOption,
    SetOption,
    StoreOption,
    named_store,
    place_of,
)
from colisten.errors import VerifyFailed
from colisten.release.manifest import Manifest
from colisten.release.states import ReleaseState
from colisten.release.store import LIVE
from colisten.release.verify import Verification
from colisten.settings.index import IndexSettings
from colisten.settings.tree import load_settings
from colisten.steps.cache import Listener, StepEvent
from colisten.steps.use_cases import release as use_case
from colisten.steps.use_cases.store import fetch_home, fetch_pages, home_at, prune_at, push_home
from colisten.terminal import Terminal, styled

app = typer.Typer(help="List, check, switch and remove releases.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Release id, as `list` shows it.")]


@app.command("list")
def list_(
    out: OptionalOutOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """List releases, latest first.

    Example: colisten release list --out out
    """
    place = place_of(out, store)
    with home_at(place, manifests=True) as home:
        states = use_case.list_releases(home)
    if as_json:
        print_document([asdict(state) for state in states])
        return
    if not states:
        Terminal().print(f"No release in {place} yet. `colisten run` publishes one.")
        return
    # Narrow, since an id takes two fifths of a terminal.
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("release", "state"):
        table.add_column(heading, no_wrap=True)
    for heading in ("learned until", "published", "promoted"):
        table.add_column(heading, min_width=len("2026-01-01"))
    for state in states:
        table.add_row(
            state.release_id,
            _coloured(state),
            _short(state.as_of),
            _short(state.published_at),
            _short(state.promoted_at),
        )
    Terminal().print(table)


@app.command()
def show(
    out: OptionalOutOption = None,
    store: StoreOption = None,
    release_id: IdArgument = LIVE,
    as_json: JsonOption = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="The model card as a page, for a browser."),
    ] = None,
) -> None:
    """Show what a release is made of, and its model card; without ID that of the live one.

    The card says when it learned, for whom it is good beside popular items and the best rival,
    what it is not good at, which form its training chose and why. --json prints the manifest with
    the card as `card`.

    Example: colisten release show --out out --html card.html
    """
    with home_at(place_of(out, store), [release_id]) as home:
        state, manifest = use_case.show_release(home, release_id)
        card = use_case.release_card(home, manifest.release_id)
    if html is not None:
        from colisten.pages import write_page
        from colisten.reports.card import to_html

        write_page(html, to_html(card))
    if as_json:
        print_document({**manifest.model_dump(mode="json"), "card": card})
    elif html is not None:
        Terminal().print(str(html), soft_wrap=True, highlight=False)
    else:
        from colisten.reports.terminal import card_to_rich

        Terminal().print(_described(state, manifest))
        Terminal().print(card_to_rich(card))


@app.command()
def verify(
    release_id: IdArgument,
    out: OptionalOutOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="Public key that it must be signed by (PEM)."),
    ] = None,
) -> None:
    """Check a release's files, golden set and index collection; exit code 1 where one fails.

    With --key, or release.public_key, its signature too.

    Example: colisten release verify live --out out
    """
    settings = load_settings(config, tuple(overrides or ()))
    public_key = key or settings.release.public_key
    place = place_of(out, store)
    with _shown_work() as listen, home_at(place, [release_id], searched=settings.index) as home:
        verification = use_case.verify_release(
            home, release_id, index=settings.index, public_key=public_key, listen=listen
        )
    _report(verification, as_json)
    if not verification.passed:
        raise typer.Exit(VerifyFailed.exit_code)


@app.command()
def promote(
    release_id: IdArgument,
    out: OptionalOutOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Verify a release, then make it the live one; a running service follows by itself.

    Example: colisten release promote r0123456789abcdef --out out
    """
    settings = load_settings(config, tuple(overrides or ()))
    keyed: dict[str, Any] = {"index": settings.index, "public_key": settings.release.public_key}
    keyed["keep_days"] = settings.features.online_keep_days
    place = place_of(out, store)
    with _shown_work() as listen, home_at(place, [release_id], searched=settings.index) as home:
        verification = use_case.promote_release(home, release_id, **keyed, listen=listen)
    _report(verification, as_json)
    if not as_json:
        Terminal().print(styled(release_id, "bold", " is live."))


@app.command()
def sign(
    release_id: IdArgument,
    key: Annotated[
        Path, typer.Option("--key", metavar="FILE", help="Private Ed25519 key to sign with (PEM).")
    ],
    out: OptionalOutOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a release, so that services with release.public_key serve it.

    Its files are compared with their digests first. The key is read and not kept.

    Example: colisten release sign live --out out --key release.key
    """
    with home_at(place_of(out, store), [release_id]) as home:
        name = use_case.sign_release(home, release_id, key)
    _say(as_json, {"release_id": release_id, "key": name}, f"Signed by key {name}.")


@app.command()
def publish(
    release_id: IdArgument,
    out: OptionalOutOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Write a release's vectors to an index that lacks them: another one, or one that lost them.

    Example: colisten release publish live --out out --set index.uri=http://milvus:19530
    """
    index = _index(config, overrides)
    with _shown_work() as listen, home_at(place_of(out, store), [release_id]) as home:
        verification = use_case.republish_release(home, release_id, index=index, listen=listen)
    _report(verification, as_json)


@app.command()
def fill(
    out: OptionalOutOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Fill the online store with the live release's features: one that lost its rows, or another.

    A publication fills it by itself. Where settings say `features.online_store` or
    `features.redis`, rows are kept there from now on.

    Example: colisten release fill --store s3://bucket/audiobooks
    """
    features = load_settings(config, tuple(overrides or ())).features
    elsewhere = {"online_store", "redis"} & features.model_fields_set
    with _shown_work() as listen, home_at(place_of(out, store)) as home:
        filled = use_case.fill_release(
            home, features=features if elsewhere else None, listen=listen
        )
    sentence = styled(filled, "bold", " is known to the online store.")
    _say(as_json, {"filled": filled}, sentence)


@app.command()
def rollback(
    out: OptionalOutOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Make the previous release live again; again to undo. Works without the index.

    Example: colisten release rollback --out out
    """
    settings = load_settings(config, tuple(overrides or ()))
    keyed: dict[str, Any] = {"index": settings.index, "public_key": settings.release.public_key}
    with _shown_work() as listen, home_at(place_of(out, store)) as home:
        done = use_case.roll_back(home, **keyed, listen=listen)
    text = f" is live again, {done.previous} no longer is."
    _say(as_json, asdict(done), styled(done.live, "bold", text))


@app.command()
def prune(
    out: OptionalOutOption = None,
    store: StoreOption = None,
    keep: Annotated[int, typer.Option("--keep", min=0, help="Latest releases that stay.")] = 5,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Remove old releases and their collections; the live and the previous one always stay.

    Example: colisten release prune --out out --keep 5
    """
    index = _index(config, overrides)
    with _shown_work() as listen:
        removed = prune_at(place_of(out, store), keep, index=index, listen=listen)
    sentence = f"Removed {len(removed)}: {', '.join(removed) or 'nothing'}."
    _say(as_json, {"removed": removed}, sentence)


@app.command()
def push(out: OutOption, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Bring a folder's releases, features and reports to a store; again, what is new since.

    The online features must be in Redis and the index a server or exact search: services at a
    store share no file.

    Example: colisten release push --out out --store s3://bucket/audiobooks
    """
    address = named_store(store)
    new = push_home(out, address)
    sentence = f"{address} has {new} more lines of the journal."
    _say(as_json, {"store": str(address), "lines": new}, sentence)


@app.command()
def fetch(
    out: OutOption,
    store: StoreOption = None,
    reports: Annotated[
        bool, typer.Option("--reports", help="Only the pages of the latest run, to OUT/reports.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a folder a mirror of a store, or bring it up to date.

    It then holds the live release, the one before it and their features, each compared with its
    digests. `colisten serve --store` does the same by itself.

    Example: colisten release fetch --store s3://bucket/audiobooks --out mirror
    """
    address = named_store(store)
    if reports:
        count = fetch_pages(out, address)
        sentence = f"{count} files in {out / 'reports'}."
        _say(as_json, {"store": str(address), "reports": count}, sentence)
        return
    live = fetch_home(out, address)
    told = "Nothing is live." if live is None else styled(live, "bold", " is live.")
    _say(as_json, {"store": str(address), "live": live}, told)


def _say(as_json: bool, document: dict[str, Any], sentence: str | Text) -> None:
    if as_json:
        print_document(document)
    else:
        Terminal().print(sentence)


def _index(config: Path | None, overrides: list[str] | None) -> IndexSettings:
    return load_settings(config, tuple(overrides or ())).index


@contextmanager
def _shown_work() -> Iterator[Listener]:
    """A listener that draws on standard error: a spinner while something works, and notices."""
    console = Terminal(stderr=True)
    with console.status("") as status:

        def listen(event: StepEvent) -> None:
            if event.state == "notice":
                console.print(event.text)
            else:
                status.update(event.step)

        yield listen


def _report(verification: Verification, as_json: bool) -> None:
    if as_json:
        print_document(verification.to_dict())
        return
    recall = verification.index_recall
    table = Table("check", "result", show_header=False)
    table.add_row("files", f"{verification.files} agree with their digests")
    table.add_row("golden set", f"{verification.golden_users} users answered as recorded")
    table.add_row("index", f"{verification.indexed:,} items")
    table.add_row("index recall@10", "not measured" if recall is None else f"{recall:.4f}")
    if search := verification.index_search:
        table.add_row("index search", _searched(search))
    for fault in verification.faults:
        table.add_row(Text("fault", style="red"), fault)
    Terminal().print(table)


def _searched(search: dict[str, Any]) -> str:
    if search["recall"] is None:
        return f"{search['kind']}, {search['parameter']} {search['plain']}, not measured"
    narrow = search["filtered_recall"]
    by_filter = "" if narrow is None else f", by filters {narrow:.4f} at {search['filtered']}"
    return (
        f"{search['kind']}, recall@{search['k']} {search['recall']:.4f} "
        f"at {search['parameter']} {search['plain']}{by_filter}"
    )


def _described(state: ReleaseState, manifest: Manifest) -> Table:
    table = Table("what", "value", show_header=False)
    table.add_row(
        "release", Text.assemble((manifest.release_id, "bold"), " (", _coloured(state), ")")
    )
    table.add_row("learned until", manifest.as_of)
    table.add_row("published", _short(state.published_at))
    table.add_row("recommends", manifest.target_type)
    table.add_row("features from", manifest.feature_service)
    table.add_row("collection", manifest.collection)
    for name, count in {**manifest.counts, **manifest.dims}.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    for name, entry in manifest.files.items():
        table.add_row(name, f"{entry.bytes:,} bytes, {entry.sha256[:12]}")
    return table


def _coloured(state: ReleaseState) -> Text:
    return Text(state.state, style="green" if state.state == "live" else "")


def _short(moment: str | None) -> str:
    return "-" if moment is None else moment[:16].replace("T", " ")
