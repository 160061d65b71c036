"""Options that several commands take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from colisten.data.moments import parse_moment
from colisten.errors import ConfigError
from colisten.json_files import to_json
from colisten.settings.tree import Settings, load_settings
from colisten.store.address import Place, StoreAddress, store_of
from colisten.terminal import Terminal
from colisten.variables import STORE
from colisten.words import known_word

_DATA = typer.Option(
    "--data",
    metavar="DIR",
    help="Folder of contract tables, or s3://bucket/prefix (see docs/tables.md).",
)
DataOption = Annotated[Path, _DATA]
OptionalDataOption = Annotated[Path | None, _DATA]
_CUT = typer.Option("--cut", help="Moment (UTC, YYYY-MM-DD) that ends all learning.")
CutOption = Annotated[str, _CUT]
OptionalCutOption = Annotated[str | None, _CUT]
WindowOption = Annotated[
    int, typer.Option("--window-days", min=1, help="Days after the cut that measure the release.")
]
OutOption = Annotated[
    Path,
    typer.Option(
        "--out", metavar="DIR", help="Folder of a run: its releases, features and reports."
    ),
]
OptionalOutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Folder of a run: its releases, features and reports."
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="S3URL",
        help="Store of releases in place of a folder: s3://bucket/prefix. Without it and --out "
        f"that of {STORE}.",
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="YAML file of settings (see docs/settings.md).")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, as section.name=value; repeatable.")
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help="Of everything random: equal seeds, equal results.")
]
LateCutOption = Annotated[
    bool,
    typer.Option(
        "--allow-late-cut", help="Train even where the cut lies months after the last event."
    ),
]
CacheOption = Annotated[
    bool, typer.Option("--cache/--no-cache", help="Reuse unchanged steps of earlier runs.")
]


def renamed(old: str, new: str) -> None:
    """Say that a spelling of yesterday was used, which the next version no longer knows."""
    Terminal(stderr=True).print(
        f"Notice: `{old}` is now `{new}`; the old spelling goes with the next version.",
        soft_wrap=True,
        highlight=False,
    )


def load_with_target(
    config: Path | None, overrides: Sequence[str] | None, target: str | None
) -> Settings:
    """Settings in which `--target` is recommended and every other type that they name helps.

    Raises:
        ConfigError: As `load_settings`; or the settings name no such type.
    """
    given = tuple(overrides or ())
    settings = load_settings(config, given)
    if target is None:
        return settings
    known_word("--target", target, settings.data.item_types)
    others = [name for name in settings.data.item_types if name != target]
    swapped = (f"data.target_type={to_json(target)}", f"data.context_types={to_json(others)}")
    return load_settings(config, (*given, *swapped))


def place_of(out: Path | None, store: str | None) -> Place:
    """Where a command finds releases: what was typed, else the store of `COLISTEN_STORE`.

    Raises:
        ConfigError: Both are given, or neither.
    """
    if out is not None and store is not None:
        raise ConfigError(
            "--out and --store name two places.", "Give one: a folder, or a store in a bucket."
        )
    if out is not None:
        return out
    address = store_of(store, os.environ)
    if address is None:
        raise ConfigError(
            "Nothing says where the releases are.",
            f"Give --out DIR, or --store s3://bucket/prefix, or set {STORE}.",
        )
    return address


def named_store(store: str | None) -> StoreAddress:
    """The store that was typed, else that of `COLISTEN_STORE`.

    Raises:
        ConfigError: There is none.
    """
    address = store_of(store, os.environ)
    if address is None:
        raise ConfigError("No store is named.", f"Give --store s3://bucket/prefix, or set {STORE}.")
    return address


def parse_cut(text: str) -> datetime:
    """A UTC moment from YYYY-MM-DD or ISO 8601; raises ConfigError otherwise."""
    return parse_moment(text, "--cut")
