from __future__ import annotations

import numpy as np
import pytest

from colisten.monitoring.axes import spread_axes
from colisten.monitoring.drift_features import AXES, TOP, _best_scores


def test_axes_are_the_directions_of_greatest_spread() -> None:
    rng = np.random.default_rng(0)
    scales = np.linspace(5.0, 0.5, 12)
    rotation, _ = np.linalg.qr(rng.normal(size=(12, 12)))
    items = rng.normal(size=(4000, 12)) * scales @ rotation
    axes = spread_axes(items, AXES)
    assert axes.shape == (12, AXES)
    np.testing.assert_allclose(axes.T @ axes, np.eye(AXES), atol=1e-9)
    spread = (items @ axes).std(axis=0)
    np.testing.assert_allclose(spread, scales[:AXES], rtol=0.05)
    # Mirroring every vector must not mirror the axes: windows stay comparable.
    np.testing.assert_allclose(spread_axes(-items, AXES), axes, atol=1e-9)


def test_fewer_rows_than_dimensions_have_as_many_axes_as_rows() -> None:
    items = np.random.default_rng(2).normal(size=(5, 12))
    axes = spread_axes(items, AXES)
    assert axes.shape == (12, 5)
    np.testing.assert_allclose(axes.T @ axes, np.eye(5), atol=1e-9)
    # Four directions hold all of five rows about their mean.
    centred = items - items.mean(axis=0)
    np.testing.assert_allclose(centred @ axes[:, :4] @ axes[:, :4].T, centred, atol=1e-9)
    np.testing.assert_allclose(spread_axes(-items, AXES)[:, :4], axes[:, :4], atol=1e-9)


@pytest.mark.parametrize("items", [3, 50])
def test_best_scores_are_the_highest_inner_products(items: int) -> None:
    rng = np.random.default_rng(1)
    users, vectors = rng.normal(size=(7, 4)), rng.normal(size=(items, 4))
    expected = -np.sort(-(users @ vectors.T), axis=1)[:, :TOP]
    np.testing.assert_allclose(-np.sort(-_best_scores(users, vectors), axis=1), expected)
