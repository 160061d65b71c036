"""Axes of taste: directions in which the catalogue's item texts spread, frozen once drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from colisten.errors import ColistenError
from colisten.files import file_digest
from colisten.json_files import read_mapping, write_json
from colisten.logs import logger
from colisten.monitoring.axes import spread_axes
from colisten.monitoring.window_tables import Taste

AXES = 6
FILE = "taste_axes.json"
_DIGITS = 6
_log = logger("monitoring.taste")


def taste_of(item_ids: np.ndarray, vectors: np.ndarray, folder: Path) -> Taste | None:
    """Where items lie on the axes that a folder keeps, or on new ones, which it then keeps.

    Axes are drawn anew where the encoder's vectors have another length; profiles of before then
    have other columns' bins and are compared no more.

    Args:
        item_ids: object [num_items].
        vectors: float32 [num_items, dim], unit rows; zero where an item has no text.
        folder: Of the profiles.

    Returns:
        None where fewer than two items have a text.
    """
    known = np.linalg.norm(vectors, axis=1) > 0
    if known.sum() < 2:
        return None
    axes = _read(folder / FILE, vectors.shape[1])
    if axes is None:
        axes = spread_axes(np.asarray(vectors)[known], AXES).round(_DIGITS)
        write_json(folder / FILE, {"axes": axes.T.tolist()}, indent=None)
    places = np.asarray(vectors, dtype=np.float64) @ axes
    places[~known] = np.nan
    return Taste(item_ids, places)


def axes_name(folder: Path) -> str:
    """What tells the axes that a folder keeps from others; empty where it keeps none."""
    file = folder / FILE
    return f"axes {file_digest(file)[:16]}" if file.is_file() else ""


def _read(file: Path, dim: int) -> np.ndarray | None:
    try:
        axes = np.array(read_mapping(file)["axes"], dtype=np.float64).T
    except FileNotFoundError:
        return None
    except (OSError, ColistenError, KeyError, TypeError, ValueError) as error:
        _log.warning("axes of taste unreadable", file=str(file), reason=str(error)[:300])
        return None
    return axes if axes.ndim == 2 and axes.shape[0] == dim else None
