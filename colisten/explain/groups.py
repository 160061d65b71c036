"""Which columns of the towers' inputs belong together.

Columns of one group carry one kind of knowledge and are only ever permuted together; a flag that
says whether something is missing goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from colisten.features.transform import UserFeatureSpec
from colisten.models.items import ItemFeatureSpec

EVERYTHING = "everything"
_OTHER = "other"

Groups = dict[str, np.ndarray]
"""Name to columns, int64."""


def user_groups(spec: UserFeatureSpec, blocks: Mapping[str, int]) -> Groups:
    """Groups of the user tower's columns.

    Args:
        spec: Its columns.
        blocks: Length of each block of the history vectors, in order (`ItemFeatureSpec.blocks`).

    Returns:
        Every column in one group, then all of them as `everything`.
    """
    block_of = [name for name, dim in blocks.items() for _ in range(dim)]
    group_of: dict[str, str] = {"age": "age", "age_missing": "age"}
    for country in (*spec.countries, "other"):
        group_of[f"country_{country}"] = "country"
    for part in (*range(spec.music_dim), "missing"):
        group_of[f"music_{part}"] = "music taste"
    for item_type in spec.types:
        for at in range(spec.vector_dim):
            block = block_of[at] if at < len(block_of) else "vectors"
            group_of[f"{item_type}_mean_{at}"] = f"{block} of {item_type} history"
        group_of[f"{item_type}_log_count"] = f"counts of {item_type} history"
        group_of[f"{item_type}_any"] = f"counts of {item_type} history"
    return _grouped([group_of.get(name, _OTHER) for name in spec.names()])


def item_groups(spec: ItemFeatureSpec) -> Groups:
    """Groups of the item tower's columns; every column in one, then all as `everything`."""
    names = ["language"] * (len(spec.languages) + 2) + ["genres"] * (len(spec.genres) + 2)
    names += list(spec.blocks)
    names += [name for name, dim in spec.blocks.items() for _ in range(dim)]
    names += ["popularity"] * len(spec.popularity_half_lives)
    names += [_OTHER] * (spec.width - len(names))
    return _grouped(names)


def _grouped(names: list[str]) -> Groups:
    column = np.array(names, dtype=object)
    groups = {name: np.flatnonzero(column == name) for name in dict.fromkeys(names)}
    return groups | {EVERYTHING: np.arange(len(names))}
