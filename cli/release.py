"""`colisten release`: look at releases, switch the live one, go back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from colisten.errors import ConfigError, VectorIndexError, VerifyFailed
from colisten.index import VectorIndex, open_index
from colisten.index.resolve import resolve_index
from colisten.json_files import to_json
from colisten.release.manifest import Manifest
from colisten.release.store import ReleaseState, ReleaseStore
from colisten.release.verify import Verification
from colisten.settings.tree import load_settings
from colisten.terminal import Terminal, print_json, styled

app = typer.Typer(help="List, check, switch and remove releases.", no_args_is_help=True)

OutOption = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="The folder given to `colisten run --out`.")
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Release id, as `list` shows it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file of settings; default: the index published to."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, as section.name=value; repeatable.")
]


@app.command("list")
def list_(out: OutOption, as_json: JsonOption = False) -> None:
    """List releases, latest first.

    Example: colisten release list --out out
    """
    states = _store(out).list()
    if as_json:
        _print_json([asdict(state) for state in states])
        return
    if not states:
        Terminal().print(f"No release in {out / 'releases'} yet. `colisten run` publishes one.")
        return
    table = Table()
    for heading in ("release", "state"):
        table.add_column(heading, no_wrap=True)
    for heading in ("learned until", "published", "promoted"):
        table.add_column(heading)
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
def show(release_id: IdArgument, out: OutOption, as_json: JsonOption = False) -> None:
    """Show what a release is made of; ID may be `live`.

    Example: colisten release show live --out out
    """
    store = _store(out)
    manifest = store.show(_resolved(store, release_id))
    if as_json:
        _print_json(manifest.model_dump(mode="json"))
        return
    Terminal().print(_described(manifest, store))


@app.command()
def verify(
    release_id: IdArgument,
    out: OutOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Check a release's files, golden set and index collection; exit code 1 where one fails.

    Example: colisten release verify live --out out
    """
    store = _store(out)
    chosen = _resolved(store, release_id)
    store.folder(chosen)
    with _index(store, out, config, overrides) as index:
        verification = store.verify(chosen, index)
    _report(verification, as_json)
    if not verification.passed:
        raise typer.Exit(VerifyFailed.exit_code)


@app.command()
def promote(
    release_id: IdArgument,
    out: OutOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Verify a release, then make it the live one; a running service follows by itself.

    Example: colisten release promote r0123456789abcdef --out out
    """
    store = _store(out)
    store.folder(release_id)
    with _index(store, out, config, overrides) as index:
        verification = store.promote(release_id, index)
    _report(verification, as_json)
    if not as_json:
        Terminal().print(styled(release_id, "bold", " is live."))


@app.command()
def rollback(
    out: OutOption,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Make the previous release live again; again to undo. Works without the index.

    Example: colisten release rollback --out out
    """
    store = _store(out)
    left = store.live()
    with _index(store, out, config, overrides, needed=False) as index:
        now = store.rollback(index)
    if as_json:
        _print_json({"live": now, "previous": left})
    else:
        Terminal().print(styled(now, "bold", f" is live again, {left} no longer is."))


@app.command()
def prune(
    out: OutOption,
    keep: Annotated[int, typer.Option("--keep", min=0, help="Latest releases that stay.")] = 5,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Remove old releases and their collections; the live and the previous one always stay.

    Example: colisten release prune --out out --keep 5
    """
    store = _store(out)
    removed: list[str] = []
    if store.list():
        with _index(store, out, config, overrides) as index:
            removed = store.prune(keep, index)
    if as_json:
        _print_json({"removed": removed})
    else:
        Terminal().print(f"Removed {len(removed)}: {', '.join(removed) or 'nothing'}.")


def _store(out: Path) -> ReleaseStore:
    if not out.is_dir():
        raise ConfigError(f"No folder {out}.", "Give the --out of `colisten run`.")
    return ReleaseStore(out)


def _resolved(store: ReleaseStore, release_id: str) -> str:
    if release_id != "live":
        return release_id
    live = store.live()
    if live is None:
        raise ConfigError(
            f"No release is live in {store.releases}.", "`colisten release promote ID` makes one."
        )
    return live


@contextmanager
def _index(
    store: ReleaseStore,
    out: Path,
    config: Path | None,
    overrides: list[str] | None,
    *,
    needed: bool = True,
) -> Iterator[Any]:
    """The index the releases were published to, or the one that settings name."""
    named = load_settings(config, tuple(overrides or ())).index
    settings = resolve_index(named, store.index_settings())
    index: VectorIndex | None = None
    try:
        # Opening an embedded index makes one; where nothing was published there is none to keep.
        index = open_index(out, settings) if needed or store.list() else None
    except VectorIndexError as error:
        if needed:
            raise
        Terminal(stderr=True).print(f"Without the index: {error}")
    try:
        yield index
    finally:
        if index is not None:
            index.close()


def _report(verification: Verification, as_json: bool) -> None:
    if as_json:
        _print_json(verification.to_dict())
        return
    recall = verification.index_recall
    table = Table("check", "found", show_header=False)
    table.add_row("files", f"{verification.files} agree with their digests")
    table.add_row("golden set", f"{verification.golden_users} users answered as recorded")
    table.add_row("index", f"{verification.indexed:,} items")
    table.add_row("index recall@10", "not measured" if recall is None else f"{recall:.4f}")
    for fault in verification.faults:
        table.add_row(Text("fault", style="red"), fault)
    Terminal().print(table)


def _described(manifest: Manifest, store: ReleaseStore) -> Table:
    state = next(one for one in store.list() if one.release_id == manifest.release_id)
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
    for row in manifest.metrics.get("rows", ()):
        if row["slice"] == "all" and row["model"] == manifest.metrics.get("subject"):
            for metric, measure in row["metrics"].items():
                if measure["value"] is not None:
                    table.add_row(f"{metric} (before the cut)", f"{measure['value']:.4f}")
    for name, entry in manifest.files.items():
        table.add_row(name, f"{entry.bytes:,} bytes, {entry.sha256[:12]}")
    return table


def _coloured(state: ReleaseState) -> Text:
    return Text(state.state, style="green" if state.state == "live" else "")


def _short(moment: str | None) -> str:
    return "-" if moment is None else moment[:16].replace("T", " ")


def _print_json(value: Any) -> None:
    print_json(to_json(value, indent=2))
