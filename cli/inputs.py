"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from colisten.data.moments import parse_moment
from colisten.json_files import to_json
from colisten.settings.tree import Settings, load_settings
from colisten.words import known_word

DataOption = Annotated[
    Path, typer.Option("--data", help="Folder of contract tables (see docs/tables.md).")
]
CutOption = Annotated[
    str, typer.Option("--cut", help="Moment (UTC, YYYY-MM-DD) that ends all learning.")
]
WindowOption = Annotated[
    int, typer.Option("--window-days", min=1, help="Days after the cut that measure the release.")
]
OutOption = Annotated[
    Path, typer.Option("--out", help="Folder that owns releases, features and reports.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="YAML file of settings (see docs/settings.md).")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="One setting, as section.name=value; repeatable.")
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


def parse_cut(text: str) -> datetime:
    """A UTC moment from YYYY-MM-DD or ISO 8601; raises ConfigError otherwise."""
    return parse_moment(text, "--cut")
