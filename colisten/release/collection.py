"""A release's vectors as the collection of an index."""

from __future__ import annotations

import numpy as np

from colisten.index.protocol import VectorIndex
from colisten.index.search_tuning import filters_to_measure
from colisten.release.loaded import LoadedRelease
from colisten.release.verify import check_collection


def write_collection(release: LoadedRelease, index: VectorIndex) -> None:
    """Write the collection where it is missing or wrong, and choose how far it is searched.

    Raises:
        VectorIndexError: The index is out of reach, or does not find what `index.recall` asks for.
    """
    name = release.manifest.collection
    _, faults, _ = check_collection(release, index)
    if faults:
        index.create(
            name,
            release.item_ids[release.target].tolist(),
            release.item_vectors,
            columns=release.columns.table,
            rows=np.arange(release.target.start, release.target.stop),
        )
    index.tune(
        name,
        release.golden_set().vectors,
        lambda queries, k, asked: release.exact(queries, k, filter=asked),
        filters_to_measure(release.columns),
    )
