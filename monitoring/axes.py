"""Directions in which vectors spread most."""

from __future__ import annotations

import numpy as np


def spread_axes(vectors: np.ndarray, most: int) -> np.ndarray:
    """Directions of greatest spread, float64 [dim, <= most], each with its largest entry positive.

    Args:
        vectors: [rows, dim].
        most: How many directions.
    """
    centred = np.asarray(vectors, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    if len(centred) < centred.shape[1]:  # no more directions than rows, and far cheaper by them
        axes = np.linalg.svd(centred, full_matrices=False)[2].T[:, :most]
    else:
        _, directions = np.linalg.eigh(centred.T @ centred)
        axes = directions[:, ::-1][:, :most]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    signed: np.ndarray = axes * np.sign(largest)
    return signed
