"""Step: the HGNN of the live release, for runs that train none."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from colisten.settings.sections import TextSettings
from colisten.steps.artifacts.models import HGNNModel
from colisten.steps.artifacts.text import Text


class Taken(NamedTuple):
    """The model, and the UTC moment (ISO 8601) up to which it has seen events."""

    hgnn: HGNNModel
    trained_until: Text


def take_released(home: Path, *, text: TextSettings, out: Path) -> Taken:
    """Copy the live release's HGNN, whatever any cache holds, and say what it has seen.

    A release that was refreshed carries the HGNN of an earlier one: it has seen events up to the
    cut of the earliest release here with the same weights.

    Args:
        home: Folder that owns the releases.

    Raises:
        ReleaseError: Nothing is live, or it was made without a graph.
        ConfigError: It was made with another text encoder than the settings name.
    """
    import shutil

    from colisten.errors import ConfigError, ReleaseError
    from colisten.release.payload import HGNN_FILES
    from colisten.release.store import ReleaseStore

    store = ReleaseStore(home)
    live = store.resolve()
    manifest = store.show(live)
    if not set(HGNN_FILES) <= set(manifest.files):
        raise ReleaseError(f"Release {live} has no HGNN.", "Run `retrain` once, with a graph.")
    encoder = manifest.settings["text"]["encoder"]
    if Path(text.encoder).name != Path(encoder).name:
        raise ConfigError(
            f"Release {live} was made with the text encoder {encoder}, not {text.encoder}.",
            f"Compile `refresh` with text.encoder={encoder}, or run `retrain`.",
        )
    manifest.check_files(store.folder(live))
    weights = manifest.files[HGNN_FILES[0]]
    cuts = [
        one.as_of
        for one in (store.show(each.release_id) for each in store.list())
        if one.files.get(HGNN_FILES[0]) == weights
    ]
    folder = out / "hgnn"
    folder.mkdir()
    for name in HGNN_FILES:
        shutil.copyfile(store.folder(live) / name, folder / name)
    return Taken(HGNNModel(folder), Text(min(cuts)))
