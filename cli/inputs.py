"""Options that several commands take."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from colisten.data.moments import parse_moment
from colisten.settings.sections import ITEM_TYPES, ItemType
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
CacheOption = Annotated[
    bool, typer.Option("--cache/--no-cache", help="Reuse unchanged steps of earlier runs.")
]


def parse_target(text: str) -> ItemType:
    """The item type that `--target` names; raises ConfigError, with the nearest, otherwise."""
    return known_word("--target", text, ITEM_TYPES)


def parse_cut(text: str) -> datetime:
    """A UTC moment from YYYY-MM-DD or ISO 8601; raises ConfigError otherwise."""
    return parse_moment(text, "--cut")
