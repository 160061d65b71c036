from __future__ import annotations

import numpy as np

from colisten.explain.inputs import ExplanationInputs
from colisten.explain.sample import UserSample, log_softmax
from tests.explain.samples import drawn_sample


def test_a_sample_keeps_each_users_own_rows(inputs: ExplanationInputs) -> None:
    sample = inputs.sample
    rows = np.array([5, 1, 9])
    some = sample.take(rows)
    assert some.user_ids.tolist() == sample.user_ids[rows].tolist()
    for at, row in enumerate(rows):
        assert some.targets[at].tolist() == sample.targets[int(row)].tolist()
        assert some.exclusions[at].tolist() == sample.exclusions[int(row)].tolist()


def test_blocks_cover_everyone_once() -> None:
    sample = drawn_sample(np.zeros((7, 3)))
    assert np.concatenate(list(sample.blocks())).tolist() == list(range(7))


def test_masks_hide_what_may_not_be_shown(inputs: ExplanationInputs) -> None:
    sample: UserSample = inputs.sample
    rows = np.arange(4)
    masked = sample.masked(np.zeros((4, len(sample.available)), np.float32), rows)
    for row in rows.tolist():
        closed = set(sample.exclusions[row].tolist())
        closed |= set(np.flatnonzero(~sample.available).tolist())
        assert set(np.flatnonzero(np.isinf(masked[row])).tolist()) == closed


def test_log_softmax_sums_to_one_and_keeps_what_is_closed() -> None:
    logits = np.array([[1000.0, 1001.0, -np.inf], [0.0, 0.0, 0.0]], dtype=np.float32)
    log_p = log_softmax(logits)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1.0)
    assert log_p[0, 2] == -np.inf
