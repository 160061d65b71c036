"""Weak signals: how they stand beside each other and what they add to a stream's odds."""

from __future__ import annotations

import numpy as np
import pytest

from colisten.simulator.figures import PAPER_MATRIX
from colisten.simulator.journeys import FOLLOW, INTENT, LONGEST, PREVIEW, draw_journeys
from colisten.statistics.proportions import odds_ratios


def test_signals_stand_beside_each_other_as_published() -> None:
    journeys = draw_journeys(np.zeros(60_000), np.random.default_rng(0))
    here, there = journeys.signals[:, 1:].ravel(), journeys.signals[:, :-1].ravel()
    both = there >= 0
    counts = np.zeros((3, 3))
    np.add.at(counts, (here[both], there[both]), 1)
    counts += counts.T
    # Among weak signals alone, in the order preview, intent, follow.
    weak = PAPER_MATRIX[1:, 1:]
    assert counts / counts.sum(1, keepdims=True) == pytest.approx(
        weak / weak.sum(1, keepdims=True), abs=0.04
    )


def test_a_follow_foretells_most() -> None:
    rng = np.random.default_rng(1)
    journeys = draw_journeys(rng.normal(size=60_000), rng)
    kinds = (FOLLOW, PREVIEW, INTENT)
    seen = np.stack([(journeys.signals == code).any(axis=1) for code in kinds], axis=1)
    cells, where = np.unique(seen, axis=0, return_inverse=True)
    pairs = np.bincount(where.ravel())
    streams = np.bincount(where.ravel(), journeys.streamed)
    follow, preview, intent = odds_ratios(np.column_stack([cells, pairs, streams])) - 1
    assert follow == pytest.approx(1.18, abs=0.1)
    assert preview == pytest.approx(0.18, abs=0.06)
    assert intent == pytest.approx(0.13, abs=0.08)


def test_a_better_match_is_streamed_more() -> None:
    rng = np.random.default_rng(2)
    match = np.repeat([-1.0, 1.0], 5_000)
    streamed = draw_journeys(match, rng).streamed
    assert streamed[match > 0].mean() > streamed[match < 0].mean() + 0.05


def test_padding_is_in_front() -> None:
    journeys = draw_journeys(np.zeros(500), np.random.default_rng(3))
    assert journeys.lengths.min() >= 1
    assert journeys.lengths.max() <= LONGEST
    for row, length in zip(journeys.signals, journeys.lengths, strict=True):
        assert (row[: LONGEST - length] == -1).all()
        assert (row[LONGEST - length :] >= 0).all()
